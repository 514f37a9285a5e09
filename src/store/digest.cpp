#include "store/digest.h"

#include <algorithm>

#include "core/hash.h"
#include "core/text.h"

namespace sust::store {

namespace {

constexpr std::string_view k_prefix = "sha256:";
constexpr std::size_t k_hex_digits = 64;

bool is_hex_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

core::Result<Digest> Digest::parse(std::string_view text) {
    const std::string_view hex =
        text.starts_with(k_prefix) ? text.substr(k_prefix.size()) : std::string_view{};
    if (hex.size() != k_hex_digits || !std::all_of(hex.begin(), hex.end(), is_hex_digit)) {
        return core::fail(core::Fault::invalid, "'" + core::printable(text) + "' is not a digest",
                          {.hint = "a digest is sha256: and 64 lower-case hex digits"});
    }
    return Digest(std::string(hex));
}

Digest Digest::of(std::string_view bytes) {
    return Digest(core::sha256_hex(bytes));
}

}  // namespace sust::store
