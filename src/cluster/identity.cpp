#include "cluster/identity.h"

#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sust::cluster {

using core::fail;
using core::Fault;

namespace {

// The C library's would change every thread of the process; the kernel's is of this thread.
bool set_groups_of_thread(const std::vector<gid_t>& groups) {
    return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

// An impossible number changes nothing and tells what is in force.
uid_t file_uid() {
    return static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1)));
}
gid_t file_gid() {
    return static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1)));
}

}  // namespace

core::Result<ActingAs> ActingAs::begin(const Identity& identity) {
    const int count = ::getgroups(0, nullptr);
    std::vector<gid_t> ours(static_cast<std::size_t>(count > 0 ? count : 0));
    if (count < 0 || ::getgroups(count, ours.data()) != count) {
        return core::fail_errno("read the groups of this process", errno);
    }
    if (!set_groups_of_thread(identity.groups)) {
        return fail(
            Fault::denied,
            fmt::format("cannot act as {}: this process may not change its groups", identity.name),
            {.hint = "only root runs jobs as others"});
    }
    ActingAs acting(std::move(ours));
    ::setfsgid(identity.gid);
    ::setfsuid(identity.uid);  // last: it takes root's rights to pass over permissions
    if (file_uid() != identity.uid || file_gid() != identity.gid) {
        return fail(Fault::denied, fmt::format("cannot act as {}", identity.name));
    }
    return acting;
}

ActingAs::ActingAs(ActingAs&& other) noexcept
    : groups_(std::move(other.groups_)), acts_(std::exchange(other.acts_, false)) {}

// To go on as somebody else would be worse than not to go on.
ActingAs::~ActingAs() {
    if (!acts_) {
        return;
    }
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
    if (file_uid() != ::geteuid() || file_gid() != ::getegid() || !set_groups_of_thread(groups_)) {
        std::abort();
    }
}

core::Result<std::optional<ActingAs>> act_as(const std::optional<Identity>& owner) {
    return owner ? std::optional<ActingAs>(TRY(ActingAs::begin(*owner)))
                 : std::optional<ActingAs>();
}

}  // namespace sust::cluster
