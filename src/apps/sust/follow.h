#pragma once

// Watching a run from the terminal until it ends.

#include <string>

#include "apps/sust/api.h"

namespace sust::cli {

// Progress on standard error until the run is final, then the run; the exit status says how it
// ended: 0 only for a run that succeeded. Ctrl-C leaves the run going.
Result<int> follow_run(const Context& context, Api& api, const std::string& id);
Result<int> print_run_logs(const Context& context, Api& api, const std::string& id,
                           const std::string& stage, bool follow);
// The text of a log endpoint from offset 0, and with `follow` what is added until it is complete.
Result<void> print_log(Api& api, const std::string& target, bool follow);

}  // namespace sust::cli
