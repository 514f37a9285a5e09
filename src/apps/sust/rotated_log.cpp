#include "apps/sust/rotated_log.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sust::cli {
namespace {

using core::Fd;
using core::Path;
using core::Result;

constexpr int k_max_files = 10'000;  // log.files has no bound of its own
constexpr int k_tries = 100;         // the writer would have to rotate between any two calls
constexpr std::size_t k_piece = 64 << 10;

struct Inode {
    dev_t device;
    ino_t number;
    bool operator==(const Inode&) const = default;
};

std::optional<Inode> inode_of(const Path& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? std::optional(Inode{info.st_dev, info.st_ino})
                                            : std::nullopt;
}

std::optional<Inode> inode_of(const Fd& fd) {
    struct stat info {};
    return ::fstat(fd.get(), &info) == 0 ? std::optional(Inode{info.st_dev, info.st_ino})
                                         : std::nullopt;
}

// 0 is the newest, which has no number.
Path numbered(const Path& newest, int number) {
    return number == 0 ? newest : Path(newest.string() + "." + std::to_string(number));
}

Fd open_file(const Path& path) {
    return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

// The number of the oldest file; nothing: there is no file at all.
std::optional<int> oldest(const Path& newest) {
    std::optional<int> found;
    for (int number = 0; number <= k_max_files; ++number) {
        if (inode_of(numbered(newest, number))) {
            found = number;
        } else if (number > 0) {
            break;
        }
    }
    return found;
}

std::optional<int> number_of(const Path& newest, const Inode& inode) {
    for (int number = 0; number <= k_max_files; ++number) {
        const auto found = inode_of(numbered(newest, number));
        if (found == inode) {
            return number;
        }
        if (!found && number > 0) {
            break;
        }
    }
    return std::nullopt;
}

core::Error no_log(const Path& newest) {
    return {.fault = core::Fault::not_found,
            .message = "there is no log yet",
            .where = newest.string()};
}

}  // namespace

Result<RotatedLog> RotatedLog::open(const Path& newest) {
    for (int i = 0; i < k_tries; ++i) {
        const auto number = oldest(newest);
        if (!number) {
            break;
        }
        auto fd = open_file(numbered(newest, *number));
        if (fd) {
            return RotatedLog(newest, std::move(fd));
        }
        if (errno != ENOENT) {
            return core::fail_errno("open " + newest.string(), errno);
        }
    }
    return tl::unexpected<core::Error>(no_log(newest));
}

Result<std::string> RotatedLog::read_piece() {
    std::string piece(k_piece, '\0');
    while (true) {
        const auto got = ::read(fd_.get(), piece.data(), piece.size());
        if (got >= 0) {
            piece.resize(static_cast<std::size_t>(got));
            return piece;
        }
        if (errno != EINTR) {
            return core::fail_errno("read " + newest_.string(), errno);
        }
    }
}

Result<std::optional<Fd>> RotatedLog::next() const {
    const auto ours = inode_of(fd_);
    for (int i = 0; ours && i < k_tries; ++i) {
        const auto number = number_of(newest_, *ours);
        if (number == 0) {
            return std::optional<Fd>();
        }
        const auto wanted = number ? number.value() - 1 : oldest(newest_).value_or(0);
        auto fd = open_file(numbered(newest_, wanted));
        // A rotation between the look and the open would have us leave a file out.
        if (fd && (!number || number_of(newest_, *ours) == number)) {
            return std::optional(std::move(fd));
        }
    }
    return std::optional<Fd>();  // between two names; the next look finds it
}

Result<std::string> RotatedLog::read() {
    for (int i = 0; i <= k_max_files; ++i) {
        auto piece = TRY(read_piece());
        if (!piece.empty()) {
            return piece;
        }
        auto following = TRY(next());
        if (!following) {
            return std::string();
        }
        // The writer may have added to ours between the read and its rotation.
        piece = TRY(read_piece());
        if (!piece.empty()) {
            return piece;
        }
        fd_ = std::move(*following);
    }
    return std::string();
}

}  // namespace sust::cli
