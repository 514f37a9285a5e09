#pragma once

#include <string>
#include <string_view>

#include "core/clock.h"

namespace sust::core {

// prefix + 26 characters of Crockford's base 32 that sort by time (48 bits of milliseconds, 80 of
// randomness: the ULID layout). make_id(clock, "run-") -> "run-01k...".
std::string make_id(const Clock& clock, std::string_view prefix);

}  // namespace sust::core
