// Any bytes at all: what Slurm's commands may print is read as rows or left out, never otherwise.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "cluster/node_names.h"
#include "cluster/slurm/text.h"
#include "core/text.h"

namespace slurm = sust::cluster::slurm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto& row : slurm::parse_queue(text)) {
        if (row.epoch < 1 || !sust::core::check_name("job token", row.token.value)) {
            std::abort();
        }
    }
    (void)slurm::parse_past(text);
    (void)slurm::is_hopeless(text);
    (void)slurm::parse_partitions(text);
    (void)slurm::parse_nodes(text, "sust: ");
    constexpr std::size_t k_most = 1000;
    if (sust::cluster::expand_nodes(text, k_most).size() > k_most) {
        std::abort();
    }
    (void)slurm::parse_time(text);
    (void)slurm::parse_gres(text);
    (void)slurm::parse_test_only(text);
    (void)slurm::end_of(text);
    return 0;
}
