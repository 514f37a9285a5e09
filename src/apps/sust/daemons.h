#pragma once

// sustd and sust-gateway as `sust up` and `sust down` see them.

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "apps/sust/context.h"
#include "apps/sust/print.h"
#include "apps/sust/supervisor.h"

namespace sust::cli {

Result<SupervisorPlan> plan_daemons(const Context& context);
core::Path log_file(const Context& context, const std::string& program);
// The keys of settings that someone set and that the running daemons were started without.
Result<std::vector<std::string>> settings_without_effect(const Context& context,
                                                         const SupervisorPlan& plan);

// Forks the supervisor off this terminal.
Result<void> start_in_background(const Context& context, const SupervisorPlan& plan);
// Until both answer; what a program said on standard error when it ended instead.
Result<nlohmann::json> await_ready(const Context& context, const SupervisorPlan& plan,
                                   core::Duration within);
nlohmann::json daemon_status(const Context& context);

// Programs that a killed supervisor left.
Result<void> stop_strays(const Context& context);
// Asks every job that is not final to end and waits for it. The count.
Result<int> end_jobs(const Context& context, Progress& progress);

}  // namespace sust::cli
