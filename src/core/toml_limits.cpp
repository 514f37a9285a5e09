#include "core/toml_limits.h"

#include <algorithm>

#include <fmt/format.h>

namespace sust::core {
namespace {

constexpr auto k_nowhere = std::string_view::npos;

std::string place(std::string_view text, std::size_t at, const std::string& origin) {
    if (text.starts_with("\xEF\xBB\xBF")) {  // a byte order mark has no column
        text.remove_prefix(3);
        at -= 3;
    }
    const auto before = text.substr(0, at);
    const auto line = std::count(before.begin(), before.end(), '\n');
    const auto left = before.substr(before.rfind('\n') + 1);
    const auto column = std::count_if(
        left.begin(), left.end(), [](char c) { return (static_cast<unsigned>(c) & 0xC0) != 0x80; });
    return fmt::format("{}:{}:{}", origin, line + 1, column + 1);
}

// Past the string that opens at `at`. One that never closes is an error to toml++, which builds
// nothing of what follows it.
std::size_t end_of_string(std::string_view text, std::size_t at) {
    const char quote = text[at];
    const std::string fence(3, quote);
    const bool many_lines = text.substr(at, 3) == fence;
    const auto closes = [&](std::size_t i) {
        return many_lines ? text.substr(i, 3) == fence : text[i] == quote || text[i] == '\n';
    };
    std::size_t i = at + (many_lines ? 3 : 1);
    while (i < text.size() && !closes(i)) {
        i += quote == '"' && text[i] == '\\' ? 2 : 1;
    }
    i += many_lines ? 3 : 1;
    for (int more = 0; many_lines && more < 2 && i < text.size() && text[i] == quote; ++more) {
        ++i;  // """a""""" ends with two quotes of its own
    }
    return i;
}

// "a.a.a.a = 1" is one table within another for each dot, without a bound of toml++'s, and it
// walks and destroys them by recursion: 400 kB of it overflow the stack.
std::size_t find_deep_key(std::string_view text) {
    std::size_t parts = 1;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"' || c == '\'') {
            i = end_of_string(text, i) - 1;
        } else if (c == '#') {
            i = std::min(text.find('\n', i), text.size()) - 1;
        } else if (c == '.' && ++parts > k_max_toml_depth) {
            return i;
        } else if (std::string_view("\n=,[]{}").find(c) != k_nowhere) {
            parts = 1;
        }
    }
    return k_nowhere;
}

// To tell a date from a number, toml++ looks ahead at "2020-01-01 12" and then steps back. It keeps
// 127 characters but allows any count of '_', and a step past the first of them throws where
// nothing may be thrown, which ends the program. Looked for everywhere, strings and comments too,
// because what toml++ takes for one value may hold quotes.
std::size_t find_padded_number(std::string_view text) {
    constexpr std::string_view k_ends = " \t\r\n,]}#";
    std::size_t underscores = 0;
    bool number = false;
    char before = '\n';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool begins = before == '=' || before == '[' || k_ends.find(before) != k_nowhere;
        if (k_ends.find(c) != k_nowhere) {
            underscores = 0;
            number = false;
        } else if (c == '_') {
            ++underscores;
        } else if (begins && '0' <= c && c <= '9') {
            number = true;
        }
        if (number && underscores > k_max_toml_underscores) {
            return i;
        }
        before = c;
    }
    return k_nowhere;
}

}  // namespace

Result<void> check_toml_limits(std::string_view text, const std::string& origin) {
    if (text.size() > k_max_toml_bytes) {
        return fail(Fault::invalid, fmt::format("more than {} KiB of TOML", k_max_toml_bytes >> 10),
                    {.where = origin});
    }
    if (const auto at = find_deep_key(text); at != k_nowhere) {
        return fail(Fault::invalid, fmt::format("a key of more than {} parts", k_max_toml_depth),
                    {.where = place(text, at, origin)});
    }
    if (const auto at = find_padded_number(text); at != k_nowhere) {
        return fail(Fault::invalid,
                    fmt::format("more than {} '_' in a number", k_max_toml_underscores),
                    {.where = place(text, at, origin)});
    }
    return {};
}

}  // namespace sust::core
