#pragma once

// Another Unix identity for access to files: what a principal owns is read and written as that
// principal, so that no link or mount of theirs reaches what they may not reach themselves.

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "core/result.h"

namespace sust::cluster {

struct Identity {
    std::string name;  // as the scheduler knows it
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
};

// While it lives, the calling thread's access to files (and nothing else) is that of the identity.
// For root only; not to be nested, and to end on the thread that began it. A thread or process that
// is started meanwhile would inherit it: none is.
class ActingAs {
  public:
    // denied: this process cannot become it.
    static core::Result<ActingAs> begin(const Identity& identity);
    ActingAs(ActingAs&& other) noexcept;
    ActingAs(const ActingAs&) = delete;
    ActingAs& operator=(const ActingAs&) = delete;
    ActingAs& operator=(ActingAs&&) = delete;
    ~ActingAs();

  private:
    explicit ActingAs(std::vector<gid_t> groups) : groups_(std::move(groups)) {}
    std::vector<gid_t> groups_;  // ours, to go back to
    bool acts_ = true;
};

// Nothing for files that are ours.
core::Result<std::optional<ActingAs>> act_as(const std::optional<Identity>& owner);

}  // namespace sust::cluster
