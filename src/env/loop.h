#pragma once

// A file as a read-only block device of the kernel, for root.

#include "core/fd.h"
#include "core/file.h"
#include "core/result.h"

namespace sust::env {

struct LoopDevice {
    core::Fd fd;  // keeps the device until the mount does
    core::Path path;
};

// Joins a device that already shows this very file (mounts of one device share the page cache), or
// takes a free one. The kernel frees it with its last user, however that one ends.
core::Result<LoopDevice> attach_loop(const core::Path& file);

}  // namespace sust::env
