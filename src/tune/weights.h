#pragma once

// Weight files as bytes from outside: whether what a header says is true of its file, so that a
// cut off download is told by name instead of by a traceback of whoever loads it later.

#include <cstdint>
#include <string_view>

#include "core/file.h"
#include "core/result.h"

namespace sust::tune {

// The format allows 100 MB; a model of a million tensors needs less than this.
inline constexpr std::uint64_t k_max_safetensors_header = 64 << 20;

// What the JSON of a safetensors header announces.
struct SafetensorsHeader {
    std::size_t tensors = 0;
    std::uint64_t data_bytes = 0;  // that follow it
};

// invalid unless every tensor's type, shape and place agree, and they lie without gap or overlap.
core::Result<SafetensorsHeader> read_safetensors_header(std::string_view json);
// Reads the header only; the length of the file is compared with it.
core::Result<void> check_safetensors(const core::Path& file);

// Magic, version 2 or 3, and room for as many tensors and keys as it announces. `head` is the
// beginning of a file of `file_bytes`; 24 bytes are enough.
core::Result<void> check_gguf_head(std::string_view head, std::uint64_t file_bytes);
core::Result<void> check_gguf(const core::Path& file);

}  // namespace sust::tune
