#pragma once

// The tasks of one node of a job: `sust-agent tasks`. docs/protocol/job.md is its contract.

#include <string>
#include <vector>

#include "core/clock.h"
#include "core/log.h"
#include "core/process.h"

namespace sust::cluster {

inline constexpr int k_tasks_max = 10'000;  // of one node

struct TasksOptions {
    int count = 1;
    core::Duration grace = std::chrono::seconds(10);  // between SIGTERM and SIGKILL
    std::vector<std::string> argv;
    core::Environment environment;
};

// Starts all of them or none, and returns the status to exit with when all have ended: 0, or that
// of the first that failed; ends by the signal that ended that one. To be called by the main of a
// program with one thread: it takes the process's signals and children for itself.
int run_tasks(const TasksOptions& options, const core::Clock& clock, const core::Log& log);

// What begins the command of a job with several tasks on one node.
std::vector<std::string> tasks_launcher(const std::string& agent, int count, core::Duration grace);

}  // namespace sust::cluster
