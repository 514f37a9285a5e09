#pragma once

#include <memory>

#include "cluster/scheduler.h"
#include "cluster/words.h"
#include "core/log.h"

namespace sust::cluster {

struct LocalOptions {
    Path jobs;                         // jobs/<token>/<attempt>/...
    Path agent;                        // the sust-agent program
    std::size_t max_live_jobs = 1000;  // pending or running; each costs a wrapper process
    std::uint64_t log_bytes = k_log_bytes;
    // For the lock of another controller; the kernel frees that of a killed one at once.
    Duration lock_wait = std::chrono::seconds(5);
    // Before the second start of a wrapper that ended too early; then 4, 16 and 64 times as long.
    Duration start_wait = std::chrono::milliseconds(100);
};

// Jobs as processes of this machine, each under its own `sust-agent job`. Finds the jobs of an
// earlier controller again from their files. conflict: another controller has them open.
Result<std::unique_ptr<Scheduler>> open_local(LocalOptions options, const core::Clock& clock,
                                              core::Log log);

}  // namespace sust::cluster
