// Any text at all: a SITE.toml that is refused, or read and played for a while.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "cluster/simulated/engine.h"
#include "cluster/simulated/site_file.h"

namespace simulated = sust::cluster::simulated;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    auto model = simulated::read_model(text, "SITE.toml");
    constexpr std::size_t k_nodes_max = 2'000;  // more would only be slower
    if (!model || model->nodes.size() > k_nodes_max) {
        return 0;
    }
    simulated::Engine engine(std::make_shared<const simulated::Model>(std::move(*model)));
    constexpr std::size_t k_events_max = 300;
    (void)engine.advance(std::chrono::hours(48), k_events_max);
    if (engine.running() > engine.summary().started) {
        std::abort();
    }
    return 0;
}
