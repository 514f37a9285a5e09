#pragma once

// The processes of this machine as /proc tells them: who belongs to a job, and how to end them.

#include <string>
#include <vector>

#include "core/process.h"

namespace sust::cluster {

struct ProcessInfo {
    core::ProcessId id;
    pid_t parent = 0;
    pid_t session = 0;
};

// All that can be seen, zombies left out. A process that ends meanwhile is absent.
core::Result<std::vector<ProcessInfo>> list_processes();

// Children of `ancestor`, their children, and so on.
std::vector<core::ProcessId> descendants_of(pid_t ancestor, const std::vector<ProcessInfo>& all);

// What is left of an attempt whose wrapper is gone: the members of the session that `leader` led,
// and whoever carries `mark` ("NAME=value") in its environment. If the leader's pid belongs to
// someone else by now, the session has been empty before, and its number means nothing; a leader
// without a pid leads nobody.
std::vector<core::ProcessId> leftovers_of(const core::ProcessId& leader, const std::string& mark,
                                          const std::vector<ProcessInfo>& all);

// Those of them that `user` started: of what somebody else says are its processes, more is not
// believed.
std::vector<core::ProcessId> only_of(uid_t user, std::vector<core::ProcessId> processes);

// SIGKILL to each, by identity. Who may not be signalled is skipped.
void kill_all(const std::vector<core::ProcessId>& processes);

}  // namespace sust::cluster
