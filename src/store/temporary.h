#pragma once

#include <optional>
#include <string_view>

#include "core/fd.h"
#include "core/file.h"
#include "core/result.h"

namespace sust::store {

enum class Durable { no, yes };  // whether it must survive a crash of the machine

// A file under tmp/, ours as long as we hold its flock; removed at the end unless it was placed.
// A process that dies leaves the file unlocked, which is how a collection tells it from one that
// is being written.
class TemporaryFile {
  public:
    // Creates `folder` if it is absent.
    static core::Result<TemporaryFile> create(const core::Path& folder);
    TemporaryFile(TemporaryFile&& other) noexcept;
    TemporaryFile& operator=(TemporaryFile&&) = delete;
    ~TemporaryFile();

    core::Result<void> write(std::string_view bytes);
    // On disk if it must be, readable by all, last changed at `time`.
    core::Result<void> seal(core::WallTime time, mode_t mode, Durable durable = Durable::yes);
    // Renames to `place`, over what is there. Sync its directory for the name to survive a crash.
    core::Result<void> place(const core::Path& place);

  private:
    TemporaryFile(core::Path path, core::Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    core::Path path_;  // empty once placed
    core::Fd fd_;
};

struct Stale {
    std::size_t files = 0;
    std::uint64_t bytes = 0;
};

enum class Remove { yes, no };
// The files of writers that died.
core::Result<Stale> stale_temporaries(const core::Path& folder, Remove remove);

}  // namespace sust::store
