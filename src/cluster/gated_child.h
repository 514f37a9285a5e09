#pragma once

// A child that stands before its command until it is let through, so that what names it can be
// on disk before anything of the job has happened. For a program with one thread.

#include <optional>
#include <string>
#include <vector>

#include "cluster/job.h"
#include "core/fd.h"

namespace sust::cluster {

struct ChildPlan {
    std::vector<std::string> argv;  // argv[0] without '/' is looked up in PATH of `environment`
    core::Environment environment;
    Path workdir{};                   // empty: that of this process
    int in = -1, out = -1, err = -1;  // -1: /dev/null for in, inherited for out and err
    bool new_session = true;          // else a process group of its own in this session
};

struct StartFailure {
    int status = 125;    // 125 our side, 126 cannot be executed, 127 not found
    std::string detail;  // "start 'x': No such file or directory"
};

class GatedChild {
  public:
    // Without blocked or ignored signals; killed when this process ends. Never let through: it
    // ends quietly.
    static Result<GatedChild> fork(const ChildPlan& plan);

    pid_t pid() const { return pid_; }
    void let_through();
    // Nothing if the command was started. Waits for the one or the other of a child that was let
    // through.
    std::optional<StartFailure> failure() const;

  private:
    GatedChild(pid_t pid, core::Fd gate, core::Fd report, std::string program)
        : pid_(pid),
          gate_(std::move(gate)),
          report_(std::move(report)),
          program_(std::move(program)) {}
    pid_t pid_;
    core::Fd gate_;
    core::Fd report_;
    std::string program_;
};

}  // namespace sust::cluster
