#pragma once

// Watching from the terminal: a run until it ends, a log while it grows.

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "apps/sust/api.h"
#include "apps/sust/log_text.h"

namespace sust::cli {

// Something of the API that goes on by itself and can be followed.
struct Watched {
    std::string_view collection;  // "runs"
    std::string id;
    std::string_view noun;                                       // of its verbs: "tune"
    std::string (*line)(const nlohmann::json& thing) = nullptr;  // what progress shows
};
// The thing once it has ended; progress on standard error meanwhile. Ctrl-C leaves it going and
// says so. A sustd that was killed may take a minute to come back.
Result<nlohmann::json> await_end(const Context& context, Api& api, const Watched& watched);

// Progress on standard error until the run is final, then the run; the exit status says how it
// ended: 0 only for a run that succeeded. Ctrl-C leaves the run going and says so.
Result<int> follow_run(const Context& context, Api& api, const std::string& id);
// What an evaluation measured, a line of each.
std::vector<std::string> evaluation_lines(const nlohmann::json& evaluation);
// The text of a log endpoint from its beginning; Follow::yes: and what is added until it is
// complete.
Result<void> print_log(const Context& context, Api& api, const std::string& target, Follow follow);

}  // namespace sust::cli
