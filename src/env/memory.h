#pragma once

#include <cstdint>
#include <optional>

#include "core/file.h"

namespace sust::env {

// Bytes of memory that a new process of ours may take: what the kernel calls available, within the
// limit of our control group (version 2, the nearest one that has a limit). Absent: not known.
std::optional<std::uint64_t> available_memory(const core::Path& proc, const core::Path& cgroup);

}  // namespace sust::env
