#pragma once

// The log that core::RotatingFile writes, read as one text: FILE.N ... FILE.1, then FILE.

#include <optional>
#include <string>

#include "core/fd.h"
#include "core/file.h"
#include "core/result.h"

namespace sust::cli {

// One reader, one thread. The file that is being read stays open, so its inode tells its place in
// the row however often the writer rotates in the meantime.
class RotatedLog {
  public:
    // Begins with the oldest file. not_found: there is none.
    static core::Result<RotatedLog> open(const core::Path& newest);

    // At most one piece (64 KiB) of what comes next; empty: nothing more for now. What was rotated
    // out of the row before it was read is left out.
    core::Result<std::string> read();

  private:
    RotatedLog(core::Path newest, core::Fd fd) : newest_(std::move(newest)), fd_(std::move(fd)) {}
    core::Result<std::string> read_piece();
    // The file that follows ours in the row; nothing: ours is the newest.
    core::Result<std::optional<core::Fd>> next() const;

    core::Path newest_;
    core::Fd fd_;
};

}  // namespace sust::cli
