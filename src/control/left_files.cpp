#include "control/left_files.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::control {

using core::fail;
using core::Fault;
using core::Fd;
using core::Path;
using core::Result;

namespace {

constexpr std::size_t k_files_max = 10'000;  // as of an artifact that is uploaded
constexpr int k_depth_max = 32;
constexpr std::size_t k_piece = 1 << 20;

struct Folder {
    Path path;
    Fd fd;
};

core::Error no_plain(const Path& path, const char* what) {
    return {.fault = Fault::invalid,
            .message = std::string("is ") + what + ", and an output has files of its own",
            .where = path.string(),
            .hint = "let the job copy it there (cp -L)"};
}

Result<Fd> open_part(int at, const Path& part, int flags, const Path& path) {
    Fd fd(::openat(at, part.c_str(), flags | O_CLOEXEC | O_NOFOLLOW));
    if (fd) {
        return fd;
    }
    const int trouble = errno;
    if (trouble == ENOENT) {
        return fail(Fault::not_found, "the job has not left it",
                    {.where = path.string(), .hint = "sust job logs shows what the job said"});
    }
    struct stat info {};
    const bool known = ::fstatat(at, part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (trouble == ELOOP || (known && S_ISLNK(info.st_mode))) {
        return tl::unexpected<core::Error>(no_plain(path, "a symbolic link"));
    }
    if (known && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
        return tl::unexpected<core::Error>(no_plain(path, "no plain file"));
    }
    if (trouble == ENOTDIR) {
        return fail(Fault::not_found, "the job has not left it: a file is in the place of a folder",
                    {.where = path.string(), .hint = "sust job logs shows what the job said"});
    }
    return core::fail_errno("open " + path.string(), trouble);
}

// One part after the other, so that none is a link.
Result<Fd> open_beneath(const Folder& folder, const Path& path, int flags) {
    Fd at;
    int current = folder.fd.get();
    for (auto part = path.begin(); part != path.end(); ++part) {
        const bool last = std::next(part) == path.end();
        at = TRY(open_part(current, *part, last ? flags | O_NONBLOCK : O_PATH | O_DIRECTORY,
                           folder.path / path));
        current = at.get();
    }
    return at;
}

using Listing = std::unique_ptr<DIR, int (*)(DIR*)>;

Result<void> list(const Folder& folder, const Path& path, int depth, std::vector<Path>& found) {
    if (depth > k_depth_max) {
        return fail(Fault::too_large, fmt::format("folders deeper than {}", k_depth_max),
                    {.where = (folder.path / path).string()});
    }
    auto fd = TRY(open_beneath(folder, path, O_RDONLY | O_DIRECTORY));
    const Listing listing(::fdopendir(fd.get()), ::closedir);
    if (!listing) {
        return core::fail_errno("list " + (folder.path / path).string(), errno);
    }
    const int at = fd.release();
    while (const auto* entry = ::readdir(listing.get())) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") {
            continue;
        }
        const auto inner = path / name;
        struct stat info {};
        if (::fstatat(at, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            return core::fail_errno("look at " + (folder.path / inner).string(), errno);
        }
        if (S_ISDIR(info.st_mode)) {
            TRY(list(folder, inner, depth + 1, found));
        } else if (S_ISREG(info.st_mode) && found.size() < k_files_max) {
            found.push_back(inner);
        } else if (S_ISREG(info.st_mode)) {
            return fail(Fault::too_large, fmt::format("more than {} files", k_files_max),
                        {.where = (folder.path / path).string(), .hint = "put them into fewer"});
        } else {
            return tl::unexpected<core::Error>(no_plain(
                folder.path / inner, S_ISLNK(info.st_mode) ? "a symbolic link" : "no plain file"));
        }
    }
    return {};
}

// A file of holes may be larger than any disk.
Result<std::uint64_t> size_to_take(int fd, const Path& path, const store::Store& store) {
    struct stat info {};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return tl::unexpected<core::Error>(no_plain(path, "no plain file"));
    }
    const auto bytes = static_cast<std::uint64_t>(info.st_size);
    const auto free = TRY(core::free_bytes(store.folder()));
    if (bytes > free) {
        return fail(Fault::exhausted,
                    fmt::format("has {}, and the store's disk has {} free",
                                core::format_size(bytes), core::format_size(free)),
                    {.where = path.string(), .hint = "sust gc frees what nobody uses"});
    }
    return bytes;
}

Result<store::File> take(int fd, const Path& path, std::string name, store::Store& store,
                         const std::stop_token& stop) {
    auto left = TRY(size_to_take(fd, path, store));
    const auto writer = TRY(store.begin_blob());
    std::string piece(k_piece, '\0');
    while (true) {
        if (stop.stop_requested()) {
            return fail(Fault::unavailable, "sustd stops; the next one takes it",
                        {.where = path.string()});
        }
        const auto got = ::read(fd, piece.data(), piece.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return core::fail_errno("read " + path.string(), errno);
        }
        if (got == 0) {
            break;
        }
        if (static_cast<std::uint64_t>(got) > left) {
            return fail(Fault::conflict, "grows while it is read",
                        {.where = path.string(),
                         .hint = "the command is to end after whatever it started"});
        }
        left -= static_cast<std::uint64_t>(got);
        TRY(writer->write(std::string_view(piece).substr(0, static_cast<std::size_t>(got))));
    }
    const auto blob = TRY(writer->commit());
    return store::File{.path = std::move(name), .digest = blob.digest, .size = blob.size};
}

struct Found {
    std::vector<Path> paths;
    bool is_folder = false;
};

Result<Found> look(const Folder& folder, const Path& path) {
    const auto fd = TRY(open_beneath(folder, path, O_RDONLY));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) {
        return core::fail_errno("look at " + (folder.path / path).string(), errno);
    }
    if (!S_ISDIR(info.st_mode)) {
        return Found{.paths = {path}};
    }
    Found found{.paths = {}, .is_folder = true};
    TRY(list(folder, path, 0, found.paths));
    std::sort(found.paths.begin(), found.paths.end());
    if (found.paths.empty()) {
        return fail(Fault::invalid, "is an empty folder",
                    {.where = (folder.path / path).string(),
                     .hint = "sust job logs shows what the job said"});
    }
    return found;
}

Result<Folder> open_folder(const Path& path) {
    Fd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
        const int trouble = errno;
        return trouble == ENOENT ? fail(Fault::not_found, "the working directory is not seen here",
                                        {.where = path.string(),
                                         .hint = "it is to be on a file system of both sides"})
                                 : core::fail_errno("open " + path.string(), trouble);
    }
    return Folder{.path = path, .fd = std::move(fd)};
}

}  // namespace

Result<LeftFiles> take_left_files(const Path& folder, const Path& path,
                                  const std::optional<core::Identity>& owner, store::Store& store,
                                  const std::stop_token& stop) {
    Folder opened;
    Found found;
    {
        const auto acting = TRY(core::ActAs::begin(owner));
        opened = TRY(open_folder(folder));
        found = TRY(look(opened, path));
    }
    LeftFiles left{.files = {}, .is_folder = found.is_folder};
    for (const auto& one : found.paths) {
        Fd fd;
        {
            const auto acting = TRY(core::ActAs::begin(owner));
            fd = TRY(open_beneath(opened, one, O_RDONLY));
        }
        auto name = found.is_folder ? one.lexically_relative(path) : one.filename();
        left.files.push_back(TRY(take(fd.get(), folder / one, name.string(), store, stop)));
    }
    return left;
}

}  // namespace sust::control
