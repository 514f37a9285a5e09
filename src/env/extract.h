#pragma once

// An image's files as a directory in the cache, for users who cannot mount it.

#include "core/clock.h"
#include "core/file.h"
#include "core/result.h"

namespace sust::env {

// The directory with the files of `image`, extracted once: into a temporary name, then renamed,
// under a lock that others wait for (at most half an hour). `key` names the content; says on
// standard error what it does when that takes longer than a moment.
core::Result<core::Path> extracted(const core::Path& image, const std::string& key,
                                   const core::Path& cache, const core::Clock& clock);

// Removes a tree whose directories may lack the owner's write permission.
core::Result<void> remove_stubborn_tree(const core::Path& tree);

}  // namespace sust::env
