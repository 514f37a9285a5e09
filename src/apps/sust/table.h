#pragma once

// Text in columns. A character of UTF-8 counts as one column.

#include <string>
#include <string_view>
#include <vector>

namespace sust::cli {

using Row = std::vector<std::string>;

std::size_t width_of(std::string_view text);
// Cut to the width, with an ellipsis where something is gone.
std::string ellipsized(std::string_view text, std::size_t width);
// Lines of at most this width, broken at spaces; a longer word keeps its own line.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

// Lines of at most `width`. Where the cells need more, the widest columns are cut, the first one
// last: it is what people paste. The last column goes on below itself instead.
std::string table_text(const std::vector<Row>& rows, std::size_t width);

}  // namespace sust::cli
