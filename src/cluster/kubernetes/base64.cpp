#include "cluster/kubernetes/base64.h"

#include <cstdint>

namespace sust::cluster::kubernetes {

namespace {

int value_of(char letter) {
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

}  // namespace

core::Result<std::string> decode_base64(std::string_view text) {
    std::string bytes;
    std::uint32_t bits = 0;
    int letters = 0;
    int padding = 0;
    for (const char letter : text) {
        if (letter == '\n' || letter == '\r' || letter == ' ') {
            continue;
        }
        padding += letter == '=' ? 1 : 0;
        const int value = letter == '=' ? 0 : value_of(letter);
        if (value < 0 || (padding > 0 && letter != '=') || padding > 2) {
            return core::fail(core::Fault::invalid, "not base64");
        }
        bits = (bits << 6) | static_cast<std::uint32_t>(value);
        if (++letters % 4 == 0) {
            for (const int shift : {16, 8, 0}) {
                bytes.push_back(static_cast<char>((bits >> shift) & 0xff));
            }
            bits = 0;
        }
    }
    if (letters % 4 != 0) {
        return core::fail(core::Fault::invalid, "not base64");
    }
    bytes.resize(bytes.size() - static_cast<std::size_t>(padding));
    return bytes;
}

}  // namespace sust::cluster::kubernetes
