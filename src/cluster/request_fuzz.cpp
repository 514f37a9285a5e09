// Any bytes at all: a job or a list of back ends, as TOML or as JSON, is read or refused; a job
// that was read is read again from what is kept of it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "cluster/request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const bool json : {false, true}) {
        const auto table = json ? sust::core::TomlTable::from_json(text, "job")
                                : sust::core::TomlTable::parse(text, "job.toml");
        const auto request = table ? sust::cluster::read_request(*table)
                                   : sust::core::Result<sust::cluster::JobRequest>(
                                         tl::unexpected<sust::core::Error>(table.error()));
        if (!request) {
            continue;
        }
        const auto kept = sust::core::TomlTable::from_json(request->document, "kept");
        if (!kept || !sust::cluster::read_request(*kept)) {
            std::abort();
        }
    }
    return 0;
}
