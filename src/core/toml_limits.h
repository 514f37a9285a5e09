#pragma once

// What a TOML text may ask of its parser. toml++ 3.3 trusts its input with the stack and with the
// end of the program; what would cost either is refused before it reads the first character.

#include <cstddef>
#include <string>
#include <string_view>

#include "core/result.h"

namespace sust::core {

inline constexpr std::size_t k_max_toml_bytes = 256 << 10;
// Values within values, and the parts of one dotted key: both are tables within tables.
inline constexpr std::size_t k_max_toml_depth = 32;
inline constexpr std::size_t k_max_toml_underscores = 64;  // in one number or date

// Fault::invalid, with the line and column in code points as toml++ counts them. `text` is UTF-8.
Result<void> check_toml_limits(std::string_view text, const std::string& origin);

}  // namespace sust::core
