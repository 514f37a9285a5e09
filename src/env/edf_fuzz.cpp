// Any bytes at all: reading an EDF ends with an environment or an error, never otherwise.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "env/build_file.h"
#include "env/environment.h"
#include "env/lock.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto edf = sust::env::parse_edf(text, "fuzz.toml");
    for (std::size_t i = 0; edf && i < edf->mounts.size(); ++i) {
        auto mount = sust::env::parse_mount(edf->mounts[i]);
        if (mount && (!mount->target.is_absolute() || mount->target == "/")) {
            std::abort();
        }
    }
    (void)sust::env::expand(text, {{"USER", "ana"}});
    (void)sust::env::parse_build_file(text, "fuzz.toml");
    (void)sust::env::Lock::decode(text);
    return 0;
}
