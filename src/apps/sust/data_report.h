#pragma once

// Training data judged in process: what `sust data check` prints and `sust data add` demands.

#include <string>

#include "apps/sust/context.h"

namespace sust::cli {

// Prints the report; the exit status of `sust data check`.
Result<int> report_data(const Context& context, const core::Path& file);
// The format ("chat", "completions"); what is wrong with the data is printed before the error.
Result<std::string> require_good_data(const Context& context, const core::Path& file);

}  // namespace sust::cli
