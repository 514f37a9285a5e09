#include "env/sys.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::env::sys {

namespace {

// The kernel explains a refused file system in the messages of its context: "e overlay: ...".
tl::unexpected<core::Error> refused(const char* type, int context, int code) {
    auto error = core::fail_errno(std::string("mount a file system of type ") + type, code);
    std::array<char, 512> text{};
    for (;;) {
        auto got = ::read(context, text.data(), text.size());
        if (got <= 0) {
            return error;
        }
        error.value().message +=
            "; " + core::printable(core::trim({text.data(), static_cast<std::size_t>(got)}), 400);
    }
}

}  // namespace

Result<Fd> open_place(const Path& path) {
    Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!fd) {
        return core::fail_errno("open " + path.string(), errno);
    }
    return fd;
}

Result<Fd> open_inside(int root, const Path& path, int flags, mode_t mode) {
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.mode = mode;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    // EAGAIN: a rename raced with ".." in the path; the lookup is safe to repeat.
    for (int tries = 0; tries < 16; ++tries) {
        Fd fd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
        if (fd) {
            return fd;
        }
        if (errno != EAGAIN && errno != EINTR) {
            break;
        }
    }
    return core::fail_errno("open " + path.string() + " inside", errno);
}

Result<Fd> new_mount(const char* type, std::initializer_list<Option> options, unsigned attributes) {
    Fd context(::fsopen(type, FSOPEN_CLOEXEC));
    if (!context) {
        return core::fail_errno(std::string("use file systems of type ") + type, errno);
    }
    for (const auto& [key, value] : options) {
        auto command = value.empty() ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
        if (::fsconfig(context.get(), command, key, value.empty() ? nullptr : value.c_str(), 0) !=
            0) {
            return refused(type, context.get(), errno);
        }
    }
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
        return refused(type, context.get(), errno);
    }
    Fd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes));
    if (!mount) {
        return refused(type, context.get(), errno);
    }
    return mount;
}

Result<Fd> copy_mount(int place, Depth depth) {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
    Fd fd(::open_tree(place, "", flags | (depth == Depth::whole ? AT_RECURSIVE : 0)));
    if (!fd) {
        return core::fail_errno("copy a mount", errno);
    }
    return fd;
}

Result<void> attach(int mount, int target) {
    if (::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) !=
        0) {
        return core::fail_errno("mount", errno);
    }
    return {};
}

Result<void> make_read_only(int mount, Depth depth) {
    mount_attr attributes{.attr_set = MOUNT_ATTR_RDONLY};
    unsigned flags = AT_EMPTY_PATH | (depth == Depth::whole ? AT_RECURSIVE : 0);
    if (::mount_setattr(mount, "", flags, &attributes, sizeof attributes) != 0) {
        return core::fail_errno("make a mount read-only", errno);
    }
    return {};
}

Result<void> write_new(int at, const char* name, std::string_view bytes, mode_t mode) {
    Fd fd(::openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!fd) {
        return core::fail_errno(std::string("create ") + name, errno);
    }
    return core::write_all(fd.get(), bytes);
}

Result<void> make_directory(int at, const char* name, mode_t mode) {
    if (::mkdirat(at, name, mode) != 0) {
        return core::fail_errno(std::string("create the directory ") + name, errno);
    }
    return {};
}

}  // namespace sust::env::sys
