#pragma once

// The wrapper's signals as values: blocked, and read from a descriptor.

#include <optional>

#include "core/clock.h"
#include "core/fd.h"

namespace sust::cluster {

class SignalSource {
  public:
    // For a program with one thread. SIGCHLD and what a user or scheduler sends to a job.
    static core::Result<SignalSource> open();

    // The next signal; nothing when `wait` has passed.
    std::optional<int> next(core::Duration wait);

  private:
    explicit SignalSource(core::Fd fd) : fd_(std::move(fd)) {}
    core::Fd fd_;
};

}  // namespace sust::cluster
