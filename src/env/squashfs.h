#pragma once

// The superblock of a squashfs file, checked before anyone mounts or extracts it.

#include <cstdint>
#include <string>

#include "core/file.h"
#include "core/result.h"

namespace sust::env {

struct SquashfsFacts {
    std::uint64_t file_bytes = 0;
    std::uint64_t used_bytes = 0;  // what the superblock says; the file must have them all
    std::uint32_t block_bytes = 0;
    std::uint32_t inodes = 0;
    std::string compression;
    bool operator==(const SquashfsFacts&) const = default;
};

// The first 96 bytes of a file of `file_bytes` bytes. invalid: not a squashfs, another version, or
// cut off.
core::Result<SquashfsFacts> read_superblock(std::string_view head, std::uint64_t file_bytes);
// Errors name the file and what to do.
core::Result<SquashfsFacts> inspect_squashfs(const core::Path& file);

}  // namespace sust::env
