#pragma once

// Small text forms that every program shares: durations, sizes, names, near misses.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace sust::core {

// "90s", "1h30m", "250ms"; units ms s m h d.
Result<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration duration);

// "64MiB", "4GB", "512" (bytes); KiB MiB GiB TiB are powers of 1024, kB MB GB TB of 1000.
Result<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);

Result<std::int64_t> parse_integer(std::string_view text);
Result<double> parse_number(std::string_view text);

// [a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?; `what` names the kind in the error ("service name").
Result<void> check_name(std::string_view what, std::string_view name);
// Such parts joined by '/', at most 255 bytes.
Result<void> check_model_name(std::string_view name);

// The candidate with the smallest edit distance, if it is near enough to be what was meant.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

// "127.0.0.1:8080", "[::1]:8080": an address of IPv6 has colons of its own.
std::string host_and_port(std::string_view address, std::uint16_t port);

std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string_view trim(std::string_view text);
bool is_utf8(std::string_view text);
// Text from outside, for a message or a log: at most `limit` bytes, control characters escaped.
std::string printable(std::string_view text, std::size_t limit = 120);

std::string to_hex(std::span<const unsigned char> bytes);
// Percent-encoding of one path segment or query value (RFC 3986, unreserved characters kept).
std::string percent_encode(std::string_view text);
Result<std::string> percent_decode(std::string_view text);

}  // namespace sust::core
