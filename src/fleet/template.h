#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/result.h"

namespace sust::fleet {

using Words = std::map<std::string, std::string, std::less<>>;

// Replaces every {word} by its value. invalid: a word that is not known, naming those that are.
// Braces around anything but [a-z_]+ are ordinary text, so JSON passes through.
core::Result<std::string> expand(std::string_view text, const Words& words);

}  // namespace sust::fleet
