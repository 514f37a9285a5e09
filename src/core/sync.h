#pragma once

// Files that are written first and synced together: a disk takes as long for one as for many.

#include <string_view>

#include <sys/types.h>

#include "core/file.h"

namespace sust::core {

// In its place and not synced: for what nobody looks for before the sync. What lay there is
// written over, and a link is not followed.
Result<void> write_unsynced(const Path& path, std::string_view bytes, mode_t mode);

// Whether sync_file_system() keeps there what an fsync of each file and directory would: local
// file systems with a journal, and NFS.
bool syncs_as_a_whole(const Path& path);
// Everything that was written to the file system of `path` before is on disk when it returns;
// that of others, too, so it may take as long as a disk needs for what they wrote.
Result<void> sync_file_system(const Path& path);

}  // namespace sust::core
