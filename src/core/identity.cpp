#include "core/identity.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sust::core {

namespace {

// The system call is of this thread alone; the library's function would change all of them.
bool set_groups_of_thread(const std::vector<gid_t>& groups) {
    return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

// They say only who it was before; whether it changed shows by asking again.
bool set_file_user(uid_t uid) {
    ::setfsuid(uid);
    return ::setfsuid(static_cast<uid_t>(-1)) == static_cast<int>(uid);
}
bool set_file_group(gid_t gid) {
    ::setfsgid(gid);
    return ::setfsgid(static_cast<gid_t>(-1)) == static_cast<int>(gid);
}

bool set_all(const Identity& who) {
    return set_groups_of_thread(who.groups) && set_file_group(who.gid) && set_file_user(who.uid);
}

Identity of_this_thread() {
    Identity now{.uid = ::geteuid(), .gid = ::getegid()};
    const int count = ::getgroups(0, nullptr);
    now.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
    (void)!::getgroups(count, now.groups.data());
    return now;
}

}  // namespace

Result<ActAs> ActAs::begin(const std::optional<Identity>& who) {
    if (!who) {
        return ActAs(std::nullopt);
    }
    ActAs acting(of_this_thread());
    if (!set_all(*who)) {
        return fail(Fault::denied, "this process may not act as another user",
                    {.hint = "only root may"});
    }
    return acting;
}

// To go on as somebody else would be worse than to end.
ActAs::~ActAs() {
    if (before_ && !set_all(*before_)) {
        std::abort();
    }
}

int assume(const Identity& who) {
    if (::setgroups(who.groups.size(), who.groups.data()) != 0 ||
        ::setresgid(who.gid, who.gid, who.gid) != 0 ||
        ::setresuid(who.uid, who.uid, who.uid) != 0) {
        return errno == 0 ? EPERM : errno;
    }
    return 0;
}

}  // namespace sust::core
