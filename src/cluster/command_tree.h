#pragma once

// The command of an attempt and the processes that descend from it, as their wrapper sees them.
// For a program with one thread that is the reaper of orphans.

#include <sys/resource.h>

#include "cluster/gated_child.h"
#include "cluster/signals.h"
#include "core/log.h"

namespace sust::cluster {

class CommandTree {
  public:
    // Makes this process the reaper; the child waits behind its gate.
    static Result<CommandTree> fork(const ChildPlan& plan);

    pid_t pid() const { return child_.pid(); }
    void let_through() { child_.let_through(); }
    std::optional<StartFailure> failure() const { return child_.failure(); }

    bool ended() const { return ended_; }
    int wait_status() const { return wait_status_; }  // as wait4 gives it, once it has ended
    const rusage& usage() const { return usage_; }

    // Collects the command, and orphans that became ours: at each SIGCHLD.
    void reap();
    // To the command's process group; to the child alone while it has not made that group yet.
    void send(int signal) const;
    // SIGKILL to everything that descends from this process.
    void kill_everything() const;
    // Ends what the command left behind; how many processes are stuck in the kernel and stay.
    int end_leftovers(SignalSource& signals, const core::Clock& clock);

  private:
    explicit CommandTree(GatedChild child) : child_(std::move(child)) {}
    GatedChild child_;
    bool ended_ = false;
    int wait_status_ = 0;
    rusage usage_{};
};

}  // namespace sust::cluster
