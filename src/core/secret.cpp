#include "core/secret.h"

#include <cerrno>
#include <cstdlib>

#include <sys/random.h>

namespace sust::core {

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    std::size_t done = 0;
    while (done < count) {
        const auto got = ::getrandom(bytes.data() + done, count - done, 0);
        if (got < 0 && errno != EINTR) {
            std::abort();  // a kernel without randomness: no secret made now would be one
        }
        done += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    return bytes;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) {
        return false;
    }
    unsigned char difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
    }
    return difference == 0;
}

}  // namespace sust::core
