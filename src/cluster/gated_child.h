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
    Path workdir;
    int out = -1;
    int err = -1;
};

struct StartFailure {
    int status = 125;    // 125 our side, 126 cannot be executed, 127 not found
    std::string detail;  // "start 'x': No such file or directory"
};

class GatedChild {
  public:
    // In a session and process group of its own, without blocked or ignored signals, standard
    // input from /dev/null; killed when this process ends. Never let through: it ends quietly.
    static Result<GatedChild> fork(const ChildPlan& plan);

    pid_t pid() const { return pid_; }
    void let_through();
    // Ask after the child has ended; nothing if the command was started.
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
