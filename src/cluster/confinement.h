#pragma once

// The limits of an attempt, as its share of the machine says: the wrapper makes them, its child
// enters them before it becomes the command.

#include <string>

#include "cluster/share_word.h"

namespace sust::cluster {

class Confinement {
  public:
    // Without limits.
    Confinement() = default;
    // Makes a control group of this name where the share has a place for it.
    static Result<Confinement> make(const Share& share, const std::string& name);
    Confinement(Confinement&&) noexcept = default;
    Confinement& operator=(Confinement&&) noexcept = default;

    // In the child: 0, or the number of the error.
    int enter() const;
    // Whether the kernel ended a process for want of memory.
    bool ran_out_of_memory() const;
    // When nothing runs in it any more.
    void remove() const;

  private:
    Share share_;
    Path group_;  // empty: limits are of each process
    core::Fd processes_;
};

// Of an attempt; no two jobs of a machine have one name.
std::string group_name(const Token& token, std::int64_t epoch, pid_t wrapper);

}  // namespace sust::cluster
