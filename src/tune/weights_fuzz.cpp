// Any bytes as the header of a weight file: it is refused, or what it announces is bounded by it.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tune/weights.h"

using namespace sust::tune;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto header = read_safetensors_header(text);
        header && (header->tensors == 0 || header->tensors > size)) {
        std::abort();
    }
    // A file that is no longer than its head has room for nothing.
    if (const auto gguf = check_gguf_head(text, 24); gguf && (text[8] != 0 || text[16] != 0)) {
        std::abort();
    }
    return 0;
}
