#pragma once

// Keeps sustd and sust-gateway running on one machine: starts both, restarts whichever ends with a
// growing pause, and on SIGTERM stops the gateway first (it lets streams finish), then sustd.
// A supervisor that was killed leaves both running; the next one adopts them by their identity.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/log.h"
#include "core/process.h"

namespace sust::cli {

struct ServiceProgram {
    std::string name;  // "sustd"
    std::vector<std::string> argv;
    core::Path stderr_file;  // crash messages; emptied when it grows over 1 MiB
};

struct SupervisorPlan {
    std::vector<ServiceProgram> programs;  // in starting order
    core::Path run;                        // <run>/supervisor.lock, <run>/NAME.pid.json
};

// Returns when a stop signal came and everything ended: 0. conflict if another supervisor holds
// the lock. The calling process becomes the supervisor.
core::Result<int> supervise(const SupervisorPlan& plan, const core::Clock& clock,
                            const core::Log& log);

// The identity in <run>/NAME.pid.json if that process is alive.
std::optional<core::ProcessId> running(const core::Path& run, const std::string& name);
// What the newest supervisor started under `name`; it may yet find that another one runs.
std::string started_name(const std::string& name);

}  // namespace sust::cli
