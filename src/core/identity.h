#pragma once

// Who acts on files and runs programs, where that is not the user of this process (which is root).

#include <optional>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "core/result.h"

namespace sust::core {

struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;  // supplementary
    bool operator==(const Identity&) const = default;
};

// While it lives, this thread reads and writes files as somebody else: a link that this user put
// where root looks leads root nowhere that the user may not go. Other threads are as before;
// one that begins meanwhile begins as somebody else.
class ActAs {
  public:
    // Nothing: as before. denied: this process may not become anybody.
    static Result<ActAs> begin(const std::optional<Identity>& who);
    ActAs(ActAs&& other) noexcept : before_(std::exchange(other.before_, std::nullopt)) {}
    ActAs& operator=(ActAs&&) = delete;
    ~ActAs();

  private:
    explicit ActAs(std::optional<Identity> before) : before_(std::move(before)) {}
    std::optional<Identity> before_;
};

// For good, in a child before it becomes its program: 0, or the number of the error.
int assume(const Identity& who);

}  // namespace sust::core
