// Any bytes at all as what a simulated site and its users say to each other.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "cluster/simulated/messages.h"
#include "cluster/simulated/site_file.h"

namespace simulated = sust::cluster::simulated;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto model = simulated::read_model(
        "[nodes.n]\nnames = 'n[1-4]'\ncores = 8\n[account.a]\n[partition.p]\ndefault = true\n",
        "SITE.toml");
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto said = simulated::read_submission(text)) {
        const auto again = simulated::read_submission(simulated::to_text(*said));
        if (!again || again->token != said->token || again->limit != said->limit) {
            std::abort();
        }
        (void)simulated::ask_of(*said, *model);
    }
    if (const auto table = sust::core::TomlTable::from_json(text, "mishap")) {
        (void)simulated::read_mishap(*table, *model);
    }
    (void)simulated::read_jobs(text);
    (void)simulated::read_forecast(text);
    (void)simulated::read_id(text);
    if (const auto view = simulated::read_site_view(text)) {
        if (!simulated::read_site_view(simulated::to_text(*view))) {
            std::abort();
        }
    }
    return 0;
}
