#pragma once

// Reading what somebody writes who is not trusted.

#include <optional>
#include <string>

#include "core/file.h"

namespace sust::core {

// Neither a link nor a pipe that would be waited for is read (invalid). An absent file is a value,
// a larger one too_large.
Result<std::optional<std::string>> read_plain_file_if_any(const Path& path, std::size_t max_bytes);

}  // namespace sust::core
