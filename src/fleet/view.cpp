#include "fleet/view.h"

#include <nlohmann/json.hpp>

namespace sust::fleet {

using nlohmann::json;

void to_json(json& out, const ReplicaView& view) {
    out = json{{"id", view.id},
               {"generation", view.generation},
               {"state", view.state},
               {"since", core::rfc3339(view.since)},
               {"restarts", view.restarts},
               {"reason", view.reason},
               {"backend", view.placement.backend},
               {"address", view.address}};
}

void to_json(json& out, const ServiceView& view) {
    json models = json::array();
    for (const auto& model : view.models) {
        models.push_back({{"name", model.name}, {"digest", model.digest}});
    }
    out = json{
        {"name", view.name},     {"state", view.state},         {"generation", view.generation},
        {"wanted", view.wanted}, {"ready", view.ready},         {"trouble", view.trouble},
        {"spec", view.spec},     {"models", std::move(models)}, {"replicas", view.replicas}};
}

void to_json(json& out, const GatewayView& view) {
    out = json{{"id", view.id}, {"version", view.version}, {"seen", core::rfc3339(view.seen)}};
}

}  // namespace sust::fleet
