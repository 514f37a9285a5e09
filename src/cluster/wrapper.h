#pragma once

// The wrapper of one attempt of a job: `sust-agent job`. docs/protocol/job.md is its contract.

#include <optional>
#include <string>

#include "cluster/job.h"
#include "cluster/pod_carrier.h"
#include "core/log.h"

namespace sust::cluster {

struct WrapperOptions {
    Path job_directory;             // jobs/<token>, absolute
    std::int64_t epoch = 0;         // of this attempt
    core::Environment environment;  // of the wrapper itself; a small part is the job's base
    // Inside a pod: the streams are the container's, and so is the environment.
    std::optional<PodCarrier> pod{};
};

// What a job sees before its specification adds to it.
core::Environment base_environment(const core::Environment& of_wrapper);
// "SUST_JOB_ATTEMPT=<directory>", which every process of the attempt inherits.
std::string attempt_mark(const Path& attempt_directory);

// Runs the attempt to its end and returns the status to exit with: the command's own, or 125, 126
// or 127 if it could not begin. To be called by the main of a program with one thread: it takes
// the process's signals and children for itself.
int run_wrapper(const WrapperOptions& options, const core::Clock& clock, const core::Log& log);

}  // namespace sust::cluster
