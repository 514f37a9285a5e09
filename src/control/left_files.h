#pragma once

// Files that a job has left, into the store. Who left them is not trusted: no symbolic link is
// followed on the way, nothing but plain files is opened, and all of it as their owner.

#include <stop_token>
#include <vector>

#include "cluster/scheduler.h"
#include "store/store.h"

namespace sust::control {

struct LeftFiles {
    std::vector<store::File> files;  // paths in the folder, in their order; or the file's own name
    bool is_folder = false;
};

// `path` is relative to `folder`. not_found: it is not there; invalid: a link, a device, an empty
// folder; too_large: more files or deeper folders than an artifact has; conflict: somebody still
// writes to it; exhausted: the store's disk has no room for it; unavailable: `stop` was asked for
// meanwhile. Blocks: on the pool.
core::Result<LeftFiles> take_left_files(const core::Path& folder, const core::Path& path,
                                        const std::optional<core::Identity>& owner,
                                        store::Store& store, const std::stop_token& stop);

}  // namespace sust::control
