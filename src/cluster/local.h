#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cluster/book.h"
#include "cluster/principals.h"

namespace sust::cluster {

// What a site says of this machine; what is absent is looked up.
struct LocalSettings {
    std::optional<int> gpus;
    std::string gpu_type;
    Path cgroup;  // a folder of control groups that is delegated to us
    Path jobs;    // where the jobs are, which every principal may enter; empty: as BookOptions says
    Principals principals{};  // whose jobs it runs besides our own, if we are root
};

struct LocalOptions {
    BookOptions book;
    Path agent;  // the sust-agent program
    LocalSettings settings;
    // Before the second start of a wrapper that ended too early; then 4, 16 and 64 times as long.
    Duration start_wait = std::chrono::milliseconds(100);
    // From the latest moment at which another user's job should have ended to that at which it is
    // ended here: its wrapper may have been started several times, on a machine with much to do.
    Duration overdue = std::chrono::minutes(2);
};

// Jobs as processes of this machine, each under its own `sust-agent job`. Finds the jobs of an
// earlier controller again from their files. conflict: another controller has them open.
Result<std::unique_ptr<Scheduler>> open_local(LocalOptions options, const core::Clock& clock,
                                              core::Log log);

}  // namespace sust::cluster
