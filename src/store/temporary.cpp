#include "store/temporary.h"

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sust::store {

using core::Fd;
using core::Path;
using core::Result;

namespace {

// A collection may take a new file for a stale one in the moment before it is locked; it has then
// unlinked it, and we start over. Nobody loses that race many times.
constexpr int k_tries = 16;

bool is_linked(int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 && info.st_nlink > 0;
}

}  // namespace

Result<TemporaryFile> TemporaryFile::create(const Path& folder) {
    TRY(core::make_directories(folder));
    for (int i = 0; i < k_tries; ++i) {
        std::string path = (folder / "XXXXXX").string();
        Fd fd(::mkostemp(path.data(), O_CLOEXEC));
        if (!fd) {
            return core::fail_errno("create a file in " + folder.string(), errno);
        }
        if (::flock(fd.get(), LOCK_EX) == 0 && is_linked(fd.get())) {
            return TemporaryFile(path, std::move(fd));
        }
    }
    return core::fail(core::Fault::unavailable, "no temporary file could be locked",
                      {folder.string(), "its file system must support flock(2)"});
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::exchange(other.path_, Path())), fd_(std::move(other.fd_)) {}

TemporaryFile::~TemporaryFile() {
    if (!path_.empty()) {
        ::unlink(path_.c_str());
    }
}

Result<void> TemporaryFile::write(std::string_view bytes) {
    return core::within("write " + path_.string(), core::write_all(fd_.get(), bytes));
}

Result<void> TemporaryFile::seal(core::WallTime time, mode_t mode, Durable durable) {
    const auto ms = time.time_since_epoch().count();
    const struct timespec at { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1'000'000 };
    const struct timespec times[2] = {at, at};
    if (::fchmod(fd_.get(), mode) != 0 || ::futimens(fd_.get(), times) != 0 ||
        (durable == Durable::yes && ::fsync(fd_.get()) != 0)) {
        return core::fail_errno("sync " + path_.string(), errno);
    }
    return {};
}

Result<void> TemporaryFile::place(const Path& place) {
    if (::rename(path_.c_str(), place.c_str()) != 0) {
        return core::fail_errno("rename to " + place.string(), errno);
    }
    path_.clear();
    return {};
}

Result<Stale> stale_temporaries(const Path& folder, Remove remove) {
    Stale stale;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
        const Path& path = it->path();
        const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        struct stat info {};
        if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
            ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
            continue;
        }
        if (remove == Remove::yes && ::unlink(path.c_str()) != 0 && errno != ENOENT) {
            return core::fail_errno("remove " + path.string(), errno);
        }
        stale.files += 1;
        stale.bytes += static_cast<std::uint64_t>(info.st_size);
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        return core::fail_errno("list " + folder.string(), error.value());
    }
    return stale;
}

}  // namespace sust::store
