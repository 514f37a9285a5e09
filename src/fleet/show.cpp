#include "fleet/show.h"

#include <algorithm>

#include "core/text.h"
#include "fleet/lives.h"

namespace sust::fleet {

using S = ReplicaState;

namespace {

using Records = std::vector<const ReplicaRecord*>;

bool is_leaving(S state) {
    return state == S::draining || state == S::stopping || state == S::gone;
}

std::string state_of(const ServiceRecord& service, const Records& replicas, int ready) {
    const auto any = [&](const auto& holds) {
        return std::any_of(replicas.begin(), replicas.end(),
                           [&](const ReplicaRecord* replica) { return holds(*replica); });
    };
    if (service.removing) {
        return "removing";
    }
    if (any([&](const auto& replica) { return replica.generation != service.target; }) &&
        any([&](const auto& replica) { return replica.was_ready; })) {
        return "rolling";
    }
    if (any([](const auto& replica) { return is_leaving(replica.state); })) {
        return "rolling";  // fewer replicas: the last of them are being drained
    }
    if (service.wanted == 0) {
        return "idle";
    }
    if (ready >= service.wanted) {
        return "ready";
    }
    if (ready == 0 && any([](const auto& replica) { return replica.streak >= k_tries; })) {
        return "failing";
    }
    const bool troubled = any(
        [](const auto& replica) { return replica.streak > 0 || replica.state == S::unhealthy; });
    return troubled ? "degraded" : "starting";
}

std::string text_of(const core::http::Address& address) {
    if (const auto* relay = std::get_if<core::http::TcpAddress>(&address)) {
        return core::host_and_port(relay->host, relay->port);
    }
    return std::get<core::http::UnixAddress>(address).socket.native();
}

std::vector<ServiceView::Model> models_of(const ServicePlan& plan) {
    std::vector<ServiceView::Model> models{{.name = plan.spec.base, .digest = plan.base.str()}};
    for (const auto& adapter : plan.adapters) {
        models.push_back({.name = adapter.name, .digest = adapter.manifest.str()});
    }
    return models;
}

}  // namespace

ServiceView show_service(const Book& book, const ServiceRecord& service, const Lives& lives) {
    const auto replicas = book.replicas_of(service.name);
    ServiceView view{.name = service.name,
                     .generation = service.target,
                     .wanted = service.wanted,
                     .trouble = service.trouble,
                     .spec = service.plan().spec,
                     .models = models_of(service.plan())};
    view.spec.replicas = service.wanted;
    for (const auto* replica : replicas) {
        const auto address = lives.address(*replica);
        // To whoever waits for it, ready is what gets requests: the gateways know of it.
        view.ready += replica->state == S::ready && lives.is_known(*replica) ? 1 : 0;
        view.replicas.push_back({.id = replica->id,
                                 .generation = replica->generation,
                                 .state = std::string(to_string(replica->state)),
                                 .since = replica->since,
                                 .restarts = replica->restarts,
                                 .reason = replica->reason,
                                 .placement = replica->placement,
                                 .address = address ? text_of(*address) : std::string()});
    }
    view.state = state_of(service, replicas, view.ready);
    if (view.trouble.empty() && (view.state == "failing" || view.state == "degraded")) {
        for (const auto& replica : view.replicas) {
            if (!replica.reason.empty()) {
                view.trouble = replica.reason;
                break;
            }
        }
    }
    return view;
}

std::vector<serve::OfferedModel> offered_models(const ServiceRecord& service) {
    std::vector<serve::OfferedModel> offered;
    if (service.removing || !service.generations.contains(service.target)) {
        return offered;
    }
    const auto& generation = service.generations.at(service.target);
    for (const auto& model : models_of(generation.plan)) {
        offered.push_back(
            {.name = model.name, .service = service.name, .created = generation.created});
    }
    return offered;
}

std::vector<serve::Replica> show_replicas(const Book& book, const Lives& lives) {
    std::vector<serve::Replica> out;
    for (const auto& [id, record] : book.replicas()) {
        const auto state = shown_state(record);
        const auto command = lives.command(record);
        const auto address = lives.address(record);
        if (!state || !command || !address) {
            continue;
        }
        const auto& spec = book.plan_of(record)->spec;
        out.push_back({.id = id,
                       .service = record.service,
                       .engine = spec.engine,
                       .state = *state,
                       .slots = spec.slots,
                       .models = command->models});
        if (const auto* relay = std::get_if<core::http::TcpAddress>(&*address)) {
            out.back().host = relay->host;
            out.back().port = relay->port;
        } else {
            out.back().socket = std::get<core::http::UnixAddress>(*address).socket;
        }
    }
    return out;
}

}  // namespace sust::fleet
