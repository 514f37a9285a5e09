#pragma once

// What could be typed next, for the completion scripts.

#include <string>
#include <vector>

#include "apps/sust/context.h"

namespace sust::cli {

// For words of which the last one is unfinished (""). "__files__": the shell's own names of files.
// Asks sustd for names, under the --root of the words; without one there are none.
std::vector<std::string> offers(const Context& context, const std::vector<std::string>& words);

}  // namespace sust::cli
