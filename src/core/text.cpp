#include "core/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

namespace sust::core {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array k_duration_units{Unit{"d", 86'400'000}, Unit{"h", 3'600'000},
                                      Unit{"m", 60'000}, Unit{"s", 1000}, Unit{"ms", 1}};
constexpr std::array k_size_units{Unit{"", 1},
                                  Unit{"B", 1},
                                  Unit{"kB", 1000},
                                  Unit{"MB", 1'000'000},
                                  Unit{"GB", 1'000'000'000},
                                  Unit{"TB", 1'000'000'000'000},
                                  Unit{"KiB", 1ULL << 10},
                                  Unit{"MiB", 1ULL << 20},
                                  Unit{"GiB", 1ULL << 30},
                                  Unit{"TiB", 1ULL << 40}};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_name_edge(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z');
}
bool is_name_inner(char c) {
    return is_name_edge(c) || c == '.' || c == '_' || c == '-';
}

// Takes "<number><unit>" off the front; the product, or nothing.
template <class Units>
std::optional<std::uint64_t> take_quantity(std::string_view& text, const Units& units) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || !std::isfinite(number) || number < 0 || !is_digit(text.front())) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto letters =
        static_cast<std::size_t>(std::find_if(text.begin(), text.end(), is_digit) - text.begin());
    const std::string_view unit = trim(text.substr(0, letters));
    text.remove_prefix(letters);
    for (const auto& u : units) {
        if (u.name == unit) {
            const double product = number * static_cast<double>(u.factor);
            if (product > 9e18) {
                return std::nullopt;
            }
            return static_cast<std::uint64_t>(std::llround(product));
        }
    }
    return std::nullopt;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            const std::size_t best = std::min({row[j] + 1, row[j - 1] + 1, diagonal + cost});
            diagonal = std::exchange(row[j], best);
        }
    }
    return row.back();
}

// Bytes of the UTF-8 sequence at the front of `text`; 0 if it is none.
std::size_t utf8_length(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    const std::size_t length = first < 0x80           ? 1
                               : (first >> 5) == 0x06 ? 2
                               : (first >> 4) == 0x0e ? 3
                               : (first >> 3) == 0x1e ? 4
                                                      : 0;
    if (length == 0 || text.size() < length) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((at(i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (length == 2 && first < 0xc2) ||
                          (length == 3 && first == 0xe0 && at(1) < 0xa0) ||
                          (length == 4 && first == 0xf0 && at(1) < 0x90);
    const bool surrogate = length == 3 && first == 0xed && at(1) >= 0xa0;
    const bool beyond = length == 4 && (first > 0xf4 || (first == 0xf4 && at(1) >= 0x90));
    return overlong || surrogate || beyond ? 0 : length;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    std::string_view rest = trim(text);
    std::uint64_t total = 0;
    bool good = !rest.empty();
    while (good && !rest.empty()) {
        const auto part = take_quantity(rest, k_duration_units);
        good = part.has_value() && total + *part < 9'000'000'000'000'000;
        total += part.value_or(0);
    }
    if (!good) {
        return fail(Fault::invalid, "'" + printable(text) + "' is not a duration",
                    {.hint = "write it as 90s, 15m, 12h or 1h30m"});
    }
    return Duration(static_cast<std::int64_t>(total));
}

std::string format_duration(Duration duration) {
    const auto ms = duration.count();
    if (ms < 1000) {
        return fmt::format("{}ms", ms);
    }
    if (ms < 60'000) {
        return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000)
                              : fmt::format("{:.1f}s", static_cast<double>(ms) / 1000);
    }
    if (ms < 3'600'000) {
        const auto seconds = ms / 1000 % 60;
        return seconds == 0 ? fmt::format("{}m", ms / 60'000)
                            : fmt::format("{}m{}s", ms / 60'000, seconds);
    }
    const auto minutes = ms / 60'000 % 60;
    return minutes == 0 ? fmt::format("{}h", ms / 3'600'000)
                        : fmt::format("{}h{}m", ms / 3'600'000, minutes);
}

Result<std::uint64_t> parse_size(std::string_view text) {
    std::string_view rest = trim(text);
    const auto size = rest.empty() ? std::nullopt : take_quantity(rest, k_size_units);
    if (!size || !rest.empty()) {
        return fail(Fault::invalid, "'" + printable(text) + "' is not a size",
                    {.hint = "write it as 512, 64MiB or 4GB"});
    }
    return *size;
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 5> k_names{"B", "KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < k_names.size()) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, k_names[unit]);
}

Result<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return fail(Fault::invalid, "'" + printable(text) + "' is not an integer");
    }
    return value;
}

Result<double> parse_number(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
        return fail(Fault::invalid, "'" + printable(text) + "' is not a number");
    }
    return value;
}

Result<void> check_name(std::string_view what, std::string_view name) {
    constexpr std::size_t k_longest = 63;
    const bool good = !name.empty() && name.size() <= k_longest && is_name_edge(name.front()) &&
                      is_name_edge(name.back()) &&
                      std::all_of(name.begin(), name.end(), is_name_inner);
    if (good) {
        return {};
    }
    return fail(Fault::invalid, fmt::format("'{}' is not a {}", printable(name, 40), what),
                {.hint = "1 to 63 of a-z 0-9 . _ - with a letter or digit at both ends"});
}

Result<void> check_model_name(std::string_view name) {
    constexpr std::size_t k_longest = 255;
    bool good = name.size() <= k_longest;
    for (const auto& part : split(name.substr(0, k_longest + 1), '/')) {
        good = good && check_name("model name", part).has_value() &&
               part.find("..") == std::string::npos;
    }
    if (good) {
        return {};
    }
    return fail(
        Fault::invalid, fmt::format("'{}' is not a model name", printable(name, 40)),
        {.hint = "parts joined by '/', each 1 to 63 of a-z 0-9 . _ - with a letter or digit "
                 "at both ends, at most 255 in all"});
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
    constexpr std::size_t k_longest = 128;  // the distance is quadratic in the length
    const std::string_view bounded = word.substr(0, k_longest);
    std::optional<std::string> best;
    std::size_t best_distance = std::max<std::size_t>(2, bounded.size() / 3) + 1;
    for (const auto& candidate : candidates) {
        const auto distance =
            edit_distance(bounded, std::string_view(candidate).substr(0, k_longest));
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

std::string host_and_port(std::string_view address, std::uint16_t port) {
    const bool v6 = address.find(':') != std::string_view::npos;
    return fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "", port);
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    std::size_t start = 0;
    while (true) {
        const auto end = text.find(separator, start);
        parts.emplace_back(text.substr(start, end - start));
        if (end == std::string_view::npos) {
            return parts;
        }
        start = end + 1;
    }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
    return fmt::format("{}", fmt::join(parts, separator));
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view k_space = " \t\r\n";
    const auto first = text.find_first_not_of(k_space);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(k_space) - first + 1);
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto length = utf8_length(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

std::string printable(std::string_view text, std::size_t limit) {
    std::string shown;
    while (!text.empty() && shown.size() < limit) {
        const auto length = utf8_length(text);
        const auto byte = static_cast<unsigned char>(text.front());
        if (length == 0 || byte < 0x20 || byte == 0x7f) {
            shown += fmt::format("\\x{:02x}", byte);
            text.remove_prefix(1);
        } else {
            shown += text.substr(0, length);
            text.remove_prefix(length);
        }
    }
    return text.empty() ? shown : shown + "...";
}

std::string to_hex(std::span<const unsigned char> bytes) {
    constexpr std::string_view k_digits = "0123456789abcdef";
    std::string hex;
    hex.reserve(bytes.size() * 2);
    for (const auto byte : bytes) {
        hex += k_digits[byte >> 4];
        hex += k_digits[byte & 15];
    }
    return hex;
}

std::string percent_encode(std::string_view text) {
    std::string encoded;
    for (const char c : text) {
        const bool unreserved = is_name_inner(c) || (c >= 'A' && c <= 'Z') || c == '~';
        encoded +=
            unreserved ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return encoded;
}

Result<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    while (!text.empty()) {
        if (text.front() != '%') {
            decoded += text.front();
            text.remove_prefix(1);
            continue;
        }
        unsigned byte = 0;
        const char* first = text.data() + 1;
        if (text.size() < 3 || std::from_chars(first, first + 2, byte, 16).ptr != first + 2) {
            return fail(Fault::invalid, "'" + printable(text, 12) + "' is not a percent escape");
        }
        decoded += static_cast<char>(byte);
        text.remove_prefix(3);
    }
    return decoded;
}

}  // namespace sust::core
