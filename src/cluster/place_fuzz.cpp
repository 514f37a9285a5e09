// Any bytes at all: what a scheduler may say of a node's place is a place or is refused.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "cluster/place.h"
#include "core/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sust;
    const auto lines =
        core::split(std::string_view(reinterpret_cast<const char*>(data), size), '\n');
    const auto line = [&](std::size_t i) { return i < lines.size() ? lines[i] : std::string(); };
    const auto place = cluster::place_of(
        {{"SLURM_NODEID", line(0)}, {"SLURM_NNODES", line(1)}, {"SLURM_JOB_NODELIST", line(2)}},
        "here");
    if (place && (place->node_rank < 0 || place->node_rank >= place->nodes ||
                  place->head_node.size() > 253)) {
        std::abort();
    }
    return 0;
}
