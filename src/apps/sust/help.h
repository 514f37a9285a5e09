#pragma once

// The help pages, from the table of verbs. Lines fit 100 columns.

#include <string>
#include <string_view>

#include "apps/sust/verb.h"

namespace sust::cli {

// The page of one verb, of a noun's verbs ("tune"), or of all of them (""); with examples.
std::string help_of(std::string_view path);
// The same in short: the usage and a line per option or verb.
std::string brief_help_of(std::string_view path);

// "-f, --follow" or "--set KEY=VALUE"
std::string shown(const Option& option);

}  // namespace sust::cli
