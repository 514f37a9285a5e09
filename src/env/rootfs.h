#pragma once

// The tree that a command sees, put together in the process's own mount namespace.

#include <vector>

#include "core/fd.h"
#include "core/result.h"
#include "env/environment.h"
#include "env/loop.h"
#include "env/namespaces.h"

namespace sust::env {

// Where the image's files come from: a block device with the squashfs, or a directory.
struct Lower {
    std::optional<LoopDevice> device;
    Path directory;
};

enum class Access { read_only, writable };

// Mounted, and ready for change_root. Everything host-side in `mounts` is looked up here.
Result<core::Fd> build_root(const Lower& lower, Namespaces kind, Access access,
                            const std::vector<Mount>& mounts);

// Parents before children; of two mounts at one target only the last one.
std::vector<Mount> in_order(std::vector<Mount> mounts);

}  // namespace sust::env
