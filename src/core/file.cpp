#include "core/file.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace sust::core {
namespace {

// Beside the final place, so that the rename stays inside one file system.
Path temporary_beside(const Path& path) {
    static std::atomic<unsigned> counter{0};
    return path.parent_path() /
           fmt::format(".{}.{}.{}.tmp", path.filename().string(), ::getpid(), ++counter);
}

Result<void> write_and_sync(const Path& path, std::string_view bytes, mode_t mode) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd) {
        return fail_errno("create " + path.string(), errno);
    }
    ::fchmod(fd.get(), mode);  // the caller's word, whatever the umask
    TRY(within("write " + path.string(), write_all(fd.get(), bytes)));
    if (::fsync(fd.get()) != 0) {
        return fail_errno("sync " + path.string(), errno);
    }
    return {};
}

}  // namespace

Result<std::string> read_file(const Path& path, std::size_t max_bytes) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return fail_errno("open " + path.string(), errno);
    }
    std::string bytes;
    constexpr std::size_t k_piece = 64 << 10;
    while (bytes.size() <= max_bytes) {
        const auto before = bytes.size();
        bytes.resize(before + std::min(k_piece, max_bytes + 1 - before));
        const auto got = ::read(fd.get(), bytes.data() + before, bytes.size() - before);
        bytes.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (got < 0 && errno != EINTR) {
            return fail_errno("read " + path.string(), errno);
        }
        if (got == 0) {
            return bytes;
        }
    }
    return fail(Fault::too_large, fmt::format("{} is over {} bytes", path.string(), max_bytes));
}

Result<std::optional<std::string>> read_file_if_any(const Path& path, std::size_t max_bytes) {
    auto bytes = read_file(path, max_bytes);
    if (!bytes && bytes.error().fault == Fault::not_found) {
        return std::optional<std::string>();
    }
    return std::optional<std::string>(TRY(std::move(bytes)));
}

Result<void> write_file(const Path& path, std::string_view bytes, mode_t mode) {
    const Path temporary = temporary_beside(path);
    auto written = write_and_sync(temporary, bytes, mode);
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
        written = fail_errno("rename to " + path.string(), errno);
    }
    if (!written) {
        ::unlink(temporary.c_str());
        return written;
    }
    return sync_directory(path.parent_path());
}

Result<void> append_file(const Path& path, std::string_view bytes, mode_t mode) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, mode));
    if (!fd) {
        return fail_errno("open " + path.string(), errno);
    }
    return within("write " + path.string(), write_all(fd.get(), bytes));
}

Result<void> write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR) {
            return fail_errno("write", errno);
        }
        bytes.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    return {};
}

Result<void> sync_directory(const Path& path) {
    Fd fd(::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) {
        return fail_errno("sync directory " + path.string(), errno);
    }
    return {};
}

Result<void> make_directories(const Path& path, mode_t mode) {
    std::error_code error;
    const Path parent = path.parent_path();
    if (!parent.empty()) {
        std::filesystem::create_directories(parent, error);
        if (error) {
            return fail_errno("create directory " + parent.string(), error.value());
        }
    }
    if (::mkdir(path.c_str(), mode) != 0) {
        const int code = errno;
        if (code != EEXIST || !std::filesystem::is_directory(path, error)) {
            return fail_errno("create directory " + path.string(), code);
        }
    }
    return {};
}

Result<void> remove_tree(const Path& path) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) {
        return fail_errno("remove " + path.string(), error.value());
    }
    return {};
}

Result<std::uint64_t> free_bytes(const Path& path) {
    struct statvfs stats {};
    if (::statvfs(path.c_str(), &stats) != 0) {
        return fail_errno("look at the disk of " + path.string(), errno);
    }
    return static_cast<std::uint64_t>(stats.f_bavail) * stats.f_frsize;
}

bool path_exists(const Path& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

Result<TemporaryDirectory> TemporaryDirectory::create(const Path& parent, std::string_view prefix) {
    TRY(make_directories(parent));
    std::string pattern = (parent / (std::string(prefix) + "XXXXXX")).string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        return fail_errno("create a temporary directory in " + parent.string(), errno);
    }
    return TemporaryDirectory(Path(pattern));
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, Path())) {}

TemporaryDirectory& TemporaryDirectory::operator=(TemporaryDirectory&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
}

TemporaryDirectory::~TemporaryDirectory() {
    if (!path_.empty()) {
        (void)remove_tree(path_);  // what cannot be removed at the end is only clutter
    }
}

Result<FileLock> FileLock::acquire(const Path& path, const Deadline& deadline) {
    constexpr auto k_retry = std::chrono::milliseconds(10);  // flock has no time-out of its own
    while (true) {
        auto lock = TRY(try_acquire(path));
        if (lock) {
            return std::move(*lock);
        }
        if (deadline.passed()) {
            return fail(Fault::timeout, "another process holds the lock " + path.string(),
                        {.hint = "wait for it to finish, or find it with fuser(1)"});
        }
        std::this_thread::sleep_for(k_retry);
    }
}

Result<std::optional<FileLock>> FileLock::try_acquire(const Path& path) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) {
        return fail_errno("open the lock " + path.string(), errno);
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
        return std::optional<FileLock>(FileLock(std::move(fd)));
    }
    if (errno == EWOULDBLOCK || errno == EINTR) {
        return std::optional<FileLock>();
    }
    return fail_errno("lock " + path.string(), errno);
}

}  // namespace sust::core
