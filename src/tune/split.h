#pragma once

// Holds lines out of a data file, so that a run without evaluation data is judged all the same.

#include <cstdint>

#include "core/file.h"
#include "core/result.h"

namespace sust::tune {

struct SplitLimits {
    std::size_t share = 10;  // one line in so many
    std::size_t max_held_out = 200;
};

struct Split {
    std::uint64_t trained = 0;
    std::uint64_t held_out = 0;
};

// A function of the lines alone: those with the smallest digests are held out, whatever their
// order, and none of them (nor its duplicate) is trained on. invalid below `share` lines.
core::Result<Split> split_data(const core::Path& file, const core::Path& train,
                               const core::Path& held_out, SplitLimits limits = {});

}  // namespace sust::tune
