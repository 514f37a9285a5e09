// Any bytes, and any bytes in the middle of a good manifest: refused, or a manifest that says the
// same again.
#include <cstdlib>
#include <string>

#include "store/manifest.h"
#include "store/media_types.h"

using sust::store::Descriptor;
using sust::store::Digest;
using sust::store::Manifest;

namespace {

void try_to_decode(std::string_view bytes) {
    const auto manifest = Manifest::decode(bytes);
    if (!manifest) {
        return;
    }
    const auto again = Manifest::decode(manifest->encode());
    if (!again || *again != *manifest) {
        std::abort();
    }
    (void)manifest->kind();
    (void)manifest->base();
    for (const auto& layer : manifest->layers) {
        (void)sust::store::check_file_path(Manifest::path_of(layer));
    }
}

std::string good_manifest() {
    const Descriptor part{.media_type = "m",
                          .digest = Digest::of("x"),
                          .size = 1,
                          .annotations = {{std::string(sust::store::k_title), "a/b"}}};
    return Manifest{.artifact_type = std::string(sust::store::k_model_type),
                    .config = part,
                    .layers = {part, part},
                    .subject = part,
                    .annotations = {{std::string(sust::store::k_base), Digest::of("y").str()}}}
        .encode();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string good = good_manifest();
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    try_to_decode(bytes);
    if (size > 3) {
        auto changed = good;
        changed.replace((data[0] * 256U + data[1]) % good.size(), data[2], bytes.substr(3));
        try_to_decode(changed);
    }
    return 0;
}
