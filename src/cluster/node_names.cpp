#include "cluster/node_names.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/text.h"

namespace sust::cluster {

namespace {

// A range of one bracket: "001-003" keeps its zeros.
bool add_range(std::string_view prefix, std::string_view range, std::string_view suffix,
               std::vector<std::string>& out, std::size_t most) {
    const auto dash = range.find('-');
    const auto low_text = range.substr(0, dash);
    const auto high_text = dash == std::string_view::npos ? low_text : range.substr(dash + 1);
    const auto low = core::parse_integer(low_text);
    const auto high = core::parse_integer(high_text);
    if (!low || !high || *low < 0 || *high < *low ||
        static_cast<std::size_t>(*high - *low) >= most - std::min(most, out.size())) {
        return false;
    }
    for (auto value = *low; value <= *high; ++value) {
        out.push_back(fmt::format("{}{:0{}}{}", prefix, value, low_text.size(), suffix));
    }
    return true;
}

bool expand_one(std::string_view item, std::vector<std::string>& out, std::size_t most) {
    const auto open = item.find('[');
    if (open == std::string_view::npos) {
        out.emplace_back(item);
        return out.size() <= most;
    }
    const auto close = item.find(']', open);
    if (close == std::string_view::npos || item.find('[', close) != std::string_view::npos) {
        return false;  // several brackets in one name are not written by sites that we know of
    }
    for (const auto& range : core::split(item.substr(open + 1, close - open - 1), ',')) {
        if (!add_range(item.substr(0, open), range, item.substr(close + 1), out, most)) {
            return false;
        }
    }
    return true;
}

// "nid0012" -> "nid" and "0012"; names without a number, or with one too long, are all prefix.
struct Numbered {
    std::string_view prefix;
    std::string_view digits;
    std::int64_t number = -1;
};

Numbered take_apart(std::string_view name) {
    constexpr std::size_t k_digits_max = 15;
    const auto last = name.find_last_not_of("0123456789");
    const auto begin = last == std::string_view::npos ? 0 : last + 1;
    if (begin == name.size() || name.size() - begin > k_digits_max) {
        return {.prefix = name, .digits = {}};
    }
    const auto digits = name.substr(begin);
    return {.prefix = name.substr(0, begin),
            .digits = digits,
            .number = core::parse_integer(digits).value_or(-1)};
}

bool follows(const Numbered& one, const Numbered& next) {
    return one.number >= 0 && next.number == one.number + 1 && one.prefix == next.prefix &&
           one.digits.size() == next.digits.size();
}

}  // namespace

std::vector<std::string> expand_nodes(std::string_view list, std::size_t most) {
    std::vector<std::string> nodes;
    if (list.empty() || list == "(null)" || list == "None assigned") {
        return nodes;
    }
    int depth = 0;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= list.size(); ++i) {
        if (i == list.size() || (list[i] == ',' && depth == 0)) {
            if (!expand_one(list.substr(begin, i - begin), nodes, most)) {
                return {};
            }
            begin = i + 1;
        } else {
            depth += list[i] == '[' ? 1 : list[i] == ']' ? -1 : 0;
        }
    }
    return nodes;
}

std::string compress_nodes(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size();) {
        const auto first = take_apart(names[i]);
        auto last = first;
        std::size_t end = i + 1;
        for (; end < names.size(); ++end) {
            const auto next = take_apart(names[end]);
            if (!follows(last, next)) {
                break;
            }
            last = next;
        }
        text += text.empty() ? "" : ",";
        text += end == i + 1 ? names[i]
                             : fmt::format("{}[{}-{}]", first.prefix, first.digits, last.digits);
        i = end;
    }
    return text;
}

}  // namespace sust::cluster
