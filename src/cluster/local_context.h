#pragma once

// What the jobs of one controller of this machine have in common.

#include <optional>
#include <string>
#include <vector>

#include "cluster/principals.h"
#include "cluster/share.h"
#include "core/fd.h"
#include "core/log.h"

namespace sust::cluster {

struct LocalContext {
    Path agent;
    Duration start_wait{};
    Duration overdue{};
    const core::Clock& clock;
    const core::Log& log;
    std::string boot_id;
    Shares shares;
    Path cgroup{};    // where wrappers make groups for limits of memory; empty: nowhere
    core::Fd wake{};  // an epoll of the processes whose end is to be seen
    Principals principals{};
    Path claims_of_others{};  // a file a job of a principal: what it claims and has, as we know it
    bool opening = false;     // not everybody is in line yet
    std::optional<std::string> hold_reason{};
    std::vector<pid_t> wrappers{};  // children of this process that were not reaped yet
};

}  // namespace sust::cluster
