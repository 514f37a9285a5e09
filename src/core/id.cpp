#include "core/id.h"

#include <cstdint>

#include "core/secret.h"

namespace sust::core {

std::string make_id(const Clock& clock, std::string_view prefix) {
    constexpr std::string_view k_digits = "0123456789abcdefghjkmnpqrstvwxyz";
    const auto millis = static_cast<std::uint64_t>(clock.wall().time_since_epoch().count());
    std::string id(prefix);
    for (int shift = 45; shift >= 0; shift -= 5) {
        id += k_digits[(millis >> shift) & 31];
    }
    for (const char byte : random_bytes(16)) {
        id += k_digits[static_cast<unsigned char>(byte) & 31];
    }
    return id;
}

}  // namespace sust::core
