#include "core/identity.h"

#include <cerrno>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sust::core {

namespace {

// The C library's would change every thread of the process; the kernel's is of this thread.
bool set_groups_of_thread(const std::vector<gid_t>& groups) {
    return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

// They say only who it was before; an impossible number changes nothing.
uid_t file_user() {
    return static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1)));
}
gid_t file_group() {
    return static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1)));
}

bool set_file_ids(const Identity& who) {
    ::setfsgid(who.gid);
    ::setfsuid(who.uid);
    return file_user() == who.uid && file_group() == who.gid;
}

Result<Identity> of_this_thread() {
    const int count = ::getgroups(0, nullptr);
    Identity now{.uid = file_user(), .gid = file_group()};
    now.groups.resize(static_cast<std::size_t>(count > 0 ? count : 0));
    if (count < 0 || ::getgroups(count, now.groups.data()) != count) {
        return fail_errno("read the groups of this process", errno);
    }
    return now;
}

}  // namespace

Result<ActAs> ActAs::begin(const std::optional<Identity>& who) {
    if (!who) {
        return ActAs(std::nullopt);
    }
    auto before = TRY(of_this_thread());
    const auto refused =
        fail(Fault::denied, fmt::format("this process cannot act as {}", who->name),
             {.hint = "only root acts as others: run it as root"});
    if (!set_groups_of_thread(who->groups)) {
        return refused;  // nothing was changed
    }
    ActAs acting(std::move(before));
    if (!set_file_ids(*who)) {
        return refused;
    }
    return acting;
}

ActAs::ActAs(ActAs&& other) noexcept : before_(std::exchange(other.before_, std::nullopt)) {}

// To go on as somebody else would be worse than not to go on.
ActAs::~ActAs() {
    if (before_ && (!set_groups_of_thread(before_->groups) || !set_file_ids(*before_))) {
        std::abort();
    }
}

int assume(const Identity& who) {
    if (::setgroups(who.groups.size(), who.groups.data()) != 0 ||
        ::setresgid(who.gid, who.gid, who.gid) != 0 ||
        ::setresuid(who.uid, who.uid, who.uid) != 0) {
        return errno;
    }
    return 0;
}

}  // namespace sust::core
