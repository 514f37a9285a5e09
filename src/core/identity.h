#pragma once

// Who acts on files and runs programs, where that is not the user of this process (which is root).

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "core/result.h"

namespace sust::core {

struct Identity {
    std::string name{};  // as this machine knows it
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups{};  // supplementary
    bool operator==(const Identity&) const = default;
};

// While it lives, the calling thread's access to files (and nothing else) is that of somebody else:
// a link that they put where root looks leads root nowhere that they may not go. It ends on the
// thread that began it, and one that was begun meanwhile ends before it. A thread that is started
// meanwhile would begin as them: none is; a program is started with Command::identity. Signals are
// still sent as root.
class ActAs {
  public:
    // Nothing: as before. denied: this process cannot become others.
    static Result<ActAs> begin(const std::optional<Identity>& who);
    ActAs(ActAs&& other) noexcept;
    ActAs(const ActAs&) = delete;
    ActAs& operator=(const ActAs&) = delete;
    ActAs& operator=(ActAs&&) = delete;
    ~ActAs();

  private:
    explicit ActAs(std::optional<Identity> before) : before_(std::move(before)) {}
    std::optional<Identity> before_;
};

// For good, in a child before it becomes its program: 0, or the number of the error.
int assume(const Identity& who);

}  // namespace sust::core
