#pragma once

// One line of a data file: is it an example, and of which format?

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tune/data.h"

namespace sust::tune {

struct LineProblem {
    std::uint64_t column = 0;  // from 1; 0: the line as a whole
    std::string reason;
};

struct LineFacts {
    std::optional<DataFormat> format{};  // what the line is, if it can be told
    std::uint64_t turns = 0;
    std::optional<LineProblem> problem{};
};

// `expected`: what the lines before were, or what the caller said. `number` is the line's, from 1.
LineFacts check_line(std::string_view line, std::optional<DataFormat> expected,
                     std::uint64_t number);

}  // namespace sust::tune
