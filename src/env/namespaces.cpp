#include "env/namespaces.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/file.h"
#include "env/sys.h"

namespace sust::env {

using core::Fd;
using core::Result;

namespace {

constexpr int k_max_depth = 4096;  // PATH_MAX; no directory lies deeper

Result<void> write_proc(const char* file, const std::string& text) {
    Fd fd(::open(file, O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), text.data(), text.size()) < 0) {
        return core::fail_errno(std::string("write ") + file, errno);
    }
    return {};
}

// Only the own user and group exist inside; groups cannot be dropped there, or a group that is
// denied something on the host could get it back.
Result<void> keep_identity(uid_t uid, gid_t gid) {
    TRY(write_proc("/proc/self/setgroups", "deny"));
    TRY(write_proc("/proc/self/uid_map", std::to_string(uid) + " " + std::to_string(uid) + " 1"));
    return write_proc("/proc/self/gid_map", std::to_string(gid) + " " + std::to_string(gid) + " 1");
}

// In a chroot "/" is no mount, so its propagation cannot be set. Root steps out of the chroot
// (a cwd above the root directory leads out), sets it there, and steps back in.
Result<void> make_private_from_chroot() {
    auto here = TRY(sys::open_place("/"));
    auto cwd = TRY(sys::open_place("."));
    struct stat before {};
    struct stat after {};
    if (::chdir("/") != 0 || ::chroot("/proc") != 0) {
        return core::fail_errno("leave the chroot", errno);
    }
    for (int depth = 0; depth < k_max_depth; ++depth) {
        if (::stat(".", &before) != 0 || ::chdir("..") != 0 || ::stat(".", &after) != 0) {
            return core::fail_errno("leave the chroot", errno);
        }
        if (before.st_dev == after.st_dev && before.st_ino == after.st_ino) {
            break;
        }
    }
    bool done =
        ::chroot(".") == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    int code = errno;
    if (::fchdir(here.get()) != 0 || ::chroot(".") != 0 || ::fchdir(cwd.get()) != 0) {
        return core::fail_errno("return to the chroot", errno);
    }
    if (!done) {
        return core::fail_errno("keep mounts from reaching the host", code);
    }
    return {};
}

Result<void> make_private() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) {
        return {};
    }
    if (errno == EINVAL) {
        return make_private_from_chroot();
    }
    return core::fail_errno("keep mounts from reaching the host", errno);
}

}  // namespace

Result<Namespaces> enter_namespaces() {
    auto uid = ::geteuid();
    auto gid = ::getegid();
    if (::unshare(CLONE_NEWNS) == 0) {
        TRY(make_private());
        return Namespaces::mount;
    }
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
        auto code = errno;
        auto error = core::fail_errno("make a user namespace", code);
        error.value().hint =
            code == EPERM    ? "plain users need user namespaces, which this system forbids or a "
                               "chroot prevents (sysctl kernel.unprivileged_userns_clone, "
                               "kernel.apparmor_restrict_unprivileged_userns); run as root there"
            : code == ENOSPC ? "sysctl user.max_user_namespaces limits them"
                             : "";
        return error;
    }
    TRY(keep_identity(uid, gid));
    TRY(make_private());
    return Namespaces::user_and_mount;
}

Result<void> change_root(int root) {
    if (::fchdir(root) != 0) {
        return core::fail_errno("enter the new root", errno);
    }
    if (::syscall(SYS_pivot_root, ".", ".") == 0) {
        if (::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
            return core::fail_errno("leave the old root", errno);
        }
        return {};
    }
    // A root in the initial RAM disk, or a chroot, cannot be exchanged; it can be covered.
    if (errno != EINVAL || ::chroot(".") != 0 || ::chdir("/") != 0) {
        return core::fail_errno("change the root directory", errno);
    }
    return {};
}

}  // namespace sust::env
