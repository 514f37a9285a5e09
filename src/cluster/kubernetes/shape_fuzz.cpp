// Any text as a template of a job: refused with a place, or read, and then every blank of it is
// filled; and any JSON as an object of it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "cluster/kubernetes/discovery.h"
#include "cluster/kubernetes/objects.h"

namespace kubernetes = sust::cluster::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto shape = kubernetes::parse_shape(text, "fuzz", "fuzz.toml");
    if (!shape) {
        if (shape.error().where.empty()) {
            std::abort();
        }
    } else {
        const auto object = kubernetes::fill(*shape, {.name = "n", .nodes = 2}, {{"spec", nullptr}},
                                             {{"name", "n"}});
        if (object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).find("${pod}") !=
                std::string::npos ||
            object["metadata"]["name"] != "n") {
            std::abort();
        }
    }
    const auto object = nlohmann::json::parse(text, nullptr, false);
    if (!object.is_discarded()) {
        const kubernetes::Shape any{.name = "fuzz", .resource = "jobs"};
        (void)kubernetes::read_envelope(object, any);
        (void)kubernetes::what_is_missing(any, object, object);
        (void)kubernetes::text_at_path(object, "metadata.labels['a']");
    }
    return 0;
}
