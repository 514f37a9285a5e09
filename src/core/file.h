#pragma once

// Files as the rest of Sust uses them: bounded reads, writes that are never seen half done.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "core/clock.h"
#include "core/fd.h"
#include "core/result.h"

namespace sust::core {

using Path = std::filesystem::path;

// Larger files are refused with too_large; an absent one is not_found.
Result<std::string> read_file(const Path& path, std::size_t max_bytes);
// An absent file is a value, every other trouble an error.
Result<std::optional<std::string>> read_file_if_any(const Path& path, std::size_t max_bytes);

// Temporary name beside it, write, fsync, rename, fsync of the directory.
Result<void> write_file(const Path& path, std::string_view bytes, mode_t mode = 0644);
Result<void> append_file(const Path& path, std::string_view bytes, mode_t mode = 0644);
Result<void> write_all(int fd, std::string_view bytes);
Result<void> sync_directory(const Path& path);

// Creates what is missing; `mode` is that of the last part.
Result<void> make_directories(const Path& path, mode_t mode = 0755);
// Removes a tree; an absent one is fine.
Result<void> remove_tree(const Path& path);
Result<std::uint64_t> free_bytes(const Path& path);
bool path_exists(const Path& path);

// A directory of its own under `parent` (0700), removed with everything in it at the end.
class TemporaryDirectory {
  public:
    static Result<TemporaryDirectory> create(const Path& parent, std::string_view prefix);
    TemporaryDirectory(TemporaryDirectory&& other) noexcept;
    TemporaryDirectory& operator=(TemporaryDirectory&& other) noexcept;
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();

    const Path& path() const { return path_; }

  private:
    explicit TemporaryDirectory(Path path) : path_(std::move(path)) {}
    Path path_;
};

// An exclusive flock on a file that stays; released at the end or when the process dies.
class FileLock {
  public:
    static Result<FileLock> acquire(const Path& path, const Deadline& deadline);
    // Nothing if someone else holds it.
    static Result<std::optional<FileLock>> try_acquire(const Path& path);

  private:
    explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace sust::core
