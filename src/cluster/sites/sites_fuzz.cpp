// Any text at all: a backends.toml that is refused or read.

#include <cstddef>
#include <cstdint>

#include "cluster/sites/local_site.h"
#include "cluster/sites/sites.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)sust::cluster::read_sites(text, "backends.toml", {.agent = "/agent"});
    (void)sust::cluster::read_local(text, "backends.toml");
    return 0;
}
