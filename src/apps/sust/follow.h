#pragma once

// Watching from the terminal: a run until it ends, a log while it grows.

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "apps/sust/api.h"
#include "apps/sust/log_text.h"

namespace sust::cli {

// Progress on standard error until the run is final, then the run; the exit status says how it
// ended: 0 only for a run that succeeded. Ctrl-C leaves the run going and says so.
Result<int> follow_run(const Context& context, Api& api, const std::string& id);
// What an evaluation measured, a line of each.
std::vector<std::string> evaluation_lines(const nlohmann::json& evaluation);
// The text of a log endpoint from its beginning; Follow::yes: and what is added until it is
// complete.
Result<void> print_log(const Context& context, Api& api, const std::string& target, Follow follow);

}  // namespace sust::cli
