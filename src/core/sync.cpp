#include "core/sync.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace sust::core {

Result<void> write_unsynced(const Path& path, std::string_view bytes, mode_t mode) {
    constexpr int k_flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const Fd file(::open(path.c_str(), k_flags, mode));
    if (!file) {
        return fail_errno("create " + path.string(), errno);
    }
    ::fchmod(file.get(), mode);  // the caller's word, whatever the umask
    return within("write " + path.string(), write_all(file.get(), bytes));
}

bool syncs_as_a_whole(const Path& path) {
    constexpr std::array<unsigned long, 4> k_known = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,
                                                      BTRFS_SUPER_MAGIC, NFS_SUPER_MAGIC};
    struct statfs info {};
    if (::statfs(path.c_str(), &info) != 0) {
        return false;
    }
    for (const auto magic : k_known) {
        if (static_cast<unsigned long>(info.f_type) == magic) {
            return true;
        }
    }
    return false;
}

Result<void> sync_file_system(const Path& path) {
    const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::syncfs(directory.get()) != 0) {
        return fail_errno("sync the file system of " + path.string(), errno);
    }
    return {};
}

}  // namespace sust::core
