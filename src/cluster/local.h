#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/book.h"

namespace sust::cluster {

// A user of this machine that jobs may run as.
struct Principal {
    std::string name;
    core::Identity identity;
    Path home;
};

// What a site says of this machine; what is absent is looked up.
struct LocalSettings {
    std::optional<int> gpus;
    std::string gpu_type;
    Path cgroup;  // a folder of control groups that is delegated to us
    Path jobs;    // where the jobs are, which every principal may enter; empty: as BookOptions says
    std::vector<Principal> principals{};  // who else may run jobs, where we are root
};

struct LocalOptions {
    BookOptions book;
    Path agent;  // the sust-agent program
    LocalSettings settings;
    // Before the second start of a wrapper that ended too early; then 4, 16 and 64 times as long.
    Duration start_wait = std::chrono::milliseconds(100);
};

// Jobs as processes of this machine, each under its own `sust-agent job`. Finds the jobs of an
// earlier controller again from their files. conflict: another controller has them open.
Result<std::unique_ptr<Scheduler>> open_local(LocalOptions options, const core::Clock& clock,
                                              core::Log log);

}  // namespace sust::cluster
