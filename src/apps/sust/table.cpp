#include "apps/sust/table.h"

#include <algorithm>
#include <numeric>

#include "core/text.h"

namespace sust::cli {
namespace {

constexpr std::size_t k_gap = 2;
// What the last column keeps beside wide ones, and what a cut column keeps of its cells.
constexpr std::size_t k_last_least = 32;
constexpr std::size_t k_least = 8;

bool begins_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

std::vector<std::size_t> natural_widths(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(row[i]));
        }
    }
    return widths;
}

// The widest of the columns that may be cut; the first and the last are not among them.
std::size_t widest(const std::vector<std::size_t>& widths) {
    std::size_t found = 0;
    for (std::size_t i = 1; i + 1 < widths.size(); ++i) {
        found = widths[i] > k_least && (found == 0 || widths[i] > widths[found]) ? i : found;
    }
    return found;
}

// Fits all but the last column beside the last one's least; the last takes what is left.
void fit(std::vector<std::size_t>& widths, std::size_t width) {
    const std::size_t gaps = k_gap * (widths.size() - 1);
    const auto others = [&] { return std::accumulate(widths.begin(), widths.end() - 1, gaps); };
    const std::size_t last = std::min(widths.back(), k_last_least);
    while (others() + last > width) {
        const auto column = widest(widths);
        if (widths[column] <= k_least) {
            break;
        }
        --widths[column];
    }
    widths.back() = width > others() ? std::max(width - others(), k_least) : k_least;
}

std::string padded(std::string text, std::size_t width) {
    const auto taken = width_of(text);
    return text.append(width > taken ? width - taken : 0, ' ');
}

}  // namespace

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string ellipsized(std::string_view text, std::size_t width) {
    if (width_of(text) <= width || width == 0) {
        return std::string(text);
    }
    std::size_t end = 0;
    for (std::size_t kept = 0; end < text.size(); ++end) {
        kept += begins_character(text[end]) ? 1 : 0;
        if (kept == width) {
            break;  // here the character begins that the ellipsis stands for
        }
    }
    return std::string(text.substr(0, end)) + "…";
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
    std::vector<std::string> lines(1);
    for (const auto& word : core::split(text, ' ')) {
        auto& line = lines.back();
        if (line.empty()) {
            line = word;
        } else if (width_of(line) + 1 + width_of(word) <= width) {
            line += " " + word;
        } else {
            lines.push_back(word);
        }
    }
    return lines;
}

std::string table_text(const std::vector<Row>& rows, std::size_t width) {
    if (rows.empty() || rows.front().empty()) {
        return {};
    }
    auto widths = natural_widths(rows);
    fit(widths, width);
    const std::size_t last = widths.size() - 1;
    const std::size_t indent = std::accumulate(widths.begin(), widths.end() - 1, k_gap * last);
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < last; ++i) {
            line += padded(ellipsized(row[i], widths[i]), widths[i] + k_gap);
        }
        for (const auto& part : wrapped(row[last], widths[last])) {
            line += ellipsized(part, widths[last]);
            line.erase(line.find_last_not_of(' ') + 1);
            text += line + "\n";
            line.assign(indent, ' ');
        }
    }
    return text;
}

}  // namespace sust::cli
