// Any bytes at all: what slurmrestd may answer, and what a file of a token may hold.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "cluster/slurm/pass.h"
#include "cluster/slurm/rest_text.h"
#include "core/text.h"

namespace slurm = sust::cluster::slurm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto rows = slurm::read_jobs(std::string(text))) {
        for (const auto& row : *rows) {
            if (row.epoch < 1 || !sust::core::check_name("job token", row.token.value)) {
                std::abort();
            }
        }
    }
    (void)slurm::read_site_parts(text, text, "sust: ");
    (void)slurm::read_submitted(text);
    (void)slurm::read_ping(text);
    (void)slurm::read_cancelled(text);
    (void)slurm::is_unknown_place(404, text);
    (void)slurm::complaint_of(500, text);
    (void)slurm::is_unknown_job(text);
    (void)slurm::parse_token(text);
    return 0;
}
