// Any JSON at all from an API server: pods, nodes and refusals are read or left out, and what is
// read is a pod of ours.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "cluster/kubernetes/client.h"
#include "cluster/kubernetes/nodes.h"
#include "cluster/kubernetes/pod.h"
#include "core/text.h"

namespace kubernetes = sust::cluster::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)kubernetes::refusal_of(403, text, "GET /");
    const auto object = nlohmann::json::parse(text, nullptr, false);
    if (object.is_discarded()) {
        return 0;
    }
    (void)kubernetes::read_machine(object, {}, {});
    const auto pod = kubernetes::read_pod(object);
    if (!pod) {
        return 0;
    }
    if (pod->epoch < 1 || pod->rank < 0 || pod->uid.empty() ||
        !sust::core::check_name("job token", pod->token.value)) {
        std::abort();
    }
    (void)kubernetes::end_of(*pod, {});
    (void)kubernetes::start_trouble(*pod);
    return 0;
}
