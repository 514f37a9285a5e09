#pragma once

// The kernel's mount calls by file descriptor (Linux 5.12), as Results. Paths are never looked up
// twice, so nothing can be exchanged between a check and a mount.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "core/fd.h"
#include "core/file.h"
#include "core/result.h"

namespace sust::env::sys {

using core::Fd;
using core::Path;
using core::Result;

// A place (O_PATH) that `path` names as this process sees it; symbolic links are followed.
Result<Fd> open_place(const Path& path);
// Looks `path` up as if `root` were the root directory: no link and no ".." leads out of it
// (RESOLVE_IN_ROOT), and links of /proc are not followed.
Result<Fd> open_inside(int root, const Path& path, int flags, mode_t mode = 0);

using Option = std::pair<const char*, std::string>;  // an empty value is a flag
// A file system of `type`, mounted nowhere yet. `attributes` are MOUNT_ATTR_*.
Result<Fd> new_mount(const char* type, std::initializer_list<Option> options, unsigned attributes);
enum class Depth { one, whole };
// A copy of the mount at `place` (with all below it), mounted nowhere yet.
Result<Fd> copy_mount(int place, Depth depth);
// Puts a mount that is nowhere yet on top of `target`.
Result<void> attach(int mount, int target);
Result<void> make_read_only(int mount, Depth depth);

// Bytes into a new file of directory `at`.
Result<void> write_new(int at, const char* name, std::string_view bytes, mode_t mode);
Result<void> make_directory(int at, const char* name, mode_t mode);

}  // namespace sust::env::sys
