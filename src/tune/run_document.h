#pragma once

// The parts of a run that are kept as one JSON document each: what it was started with, and what
// has become of it so far.

#include <string>
#include <string_view>

#include "tune/run.h"

namespace sust::tune {

std::string encode_inputs(const Run& run);
core::Result<void> decode_inputs(std::string_view text, Run& run);
std::string encode_course(const Run& run);
core::Result<void> decode_course(std::string_view text, Run& run);

}  // namespace sust::tune
