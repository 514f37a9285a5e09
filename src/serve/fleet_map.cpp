#include "serve/fleet_map.h"

#include <nlohmann/json.hpp>

#include "core/link_proof.h"

namespace sust::serve {

using core::fail;
using core::Fault;
using core::Result;
using nlohmann::json;

namespace {

constexpr std::string_view k_llama_server = "llama-server";

json encode_model(const ServedModel& model) {
    json out = {{"name", model.name}, {"engine_name", model.engine_name}};
    if (!model.select_json.empty()) {
        out["select"] = json::parse(model.select_json, nullptr, false);
    }
    return out;
}

json encode_replica(const Replica& replica) {
    json models = json::array();
    for (const auto& model : replica.models) {
        models.push_back(encode_model(model));
    }
    json out = {{"id", replica.id},         {"service", replica.service},
                {"engine", replica.engine}, {"state", to_string(replica.state)},
                {"slots", replica.slots},   {"models", std::move(models)}};
    if (replica.host.empty()) {
        out["socket"] = replica.socket.string();
    } else {
        out["host"] = replica.host;
        out["port"] = replica.port;
    }
    return out;
}

json encode_models(const std::vector<OfferedModel>& models) {
    json out = json::array();
    for (const auto& model : models) {
        out.push_back({{"name", model.name},
                       {"service", model.service},
                       {"created", core::rfc3339(model.created)}});
    }
    return out;
}

json encode_engine(const EngineFacts& facts) {
    json out = {{"private_fields", facts.private_fields}};
    if (facts.prompt_counter == PromptCounter::llama_server) {
        out["prompt_counter"] = k_llama_server;
    }
    return out;
}

Result<ReplicaState> parse_state(const std::string& text) {
    for (auto state : k_replica_states) {
        if (text == to_string(state)) {
            return state;
        }
    }
    return fail(Fault::invalid, "no replica state '" + text + "'");
}

Result<ServedModel> decode_model(const json& in) {
    ServedModel model{
        .name = in.at("name"), .engine_name = in.at("engine_name"), .select_json = {}};
    if (auto select = in.find("select"); select != in.end()) {
        if (!select->is_object()) {
            return fail(Fault::invalid, "`select` of model '" + model.name + "' is not an object");
        }
        model.select_json = select->dump();
    }
    return model;
}

Result<Replica> decode_replica(const json& in) {
    const auto state = TRY(parse_state(in.at("state")));
    Replica replica{.id = in.at("id"),
                    .service = in.at("service"),
                    .engine = in.at("engine"),
                    .socket = in.value("socket", std::string()),
                    .host = in.value("host", std::string()),
                    .port = in.value("port", std::uint16_t{0}),
                    .state = state,
                    .slots = in.at("slots"),
                    .models = {}};
    if (replica.socket.empty() && (replica.host.empty() || replica.port == 0)) {
        return fail(Fault::invalid, "replica '" + replica.id + "' has neither socket nor address");
    }
    if (replica.slots < 1) {
        return fail(Fault::invalid, "replica '" + replica.id + "' has no slots");
    }
    for (const auto& model : in.at("models")) {
        replica.models.push_back(TRY(decode_model(model)));
    }
    return replica;
}

Result<OfferedModel> decode_offered(const json& in) {
    const auto created = TRY(core::parse_rfc3339(in.at("created").get<std::string>()));
    return OfferedModel{.name = in.at("name"), .service = in.at("service"), .created = created};
}

EngineFacts decode_engine(const json& in) {
    EngineFacts facts;
    in.at("private_fields").get_to(facts.private_fields);
    if (in.value("prompt_counter", "") == k_llama_server) {
        facts.prompt_counter = PromptCounter::llama_server;
    }
    return facts;
}

Limits decode_limits(const json& in) {
    Limits limits;
    in.at("max_body_bytes").get_to(limits.max_body_bytes);
    in.at("max_queue").get_to(limits.max_queue);
    in.at("queue_seconds").get_to(limits.queue_seconds);
    return limits;
}

Result<FleetMap> decode(const json& in) {
    const int format = in.at("format");
    if (format != k_fleet_format) {
        return fail(Fault::invalid,
                    "fleet map format " + std::to_string(format) + ", this program knows format " +
                        std::to_string(k_fleet_format),
                    {.hint = "run sustd and sust-gateway of the same release"});
    }
    FleetMap map;
    in.at("version").get_to(map.version);
    for (const auto& replica : in.at("replicas")) {
        map.replicas.push_back(TRY(decode_replica(replica)));
    }
    for (const auto& model : in.value("models", json::array())) {
        map.models.push_back(TRY(decode_offered(model)));
    }
    for (const auto& [name, facts] : in.at("engines").items()) {
        map.engines[name] = decode_engine(facts);
    }
    for (const auto& key : in.at("keys")) {
        map.keys.push_back(TRY(tenancy::key_from_json(key)));
    }
    map.limits = decode_limits(in.at("limits"));
    return map;
}

}  // namespace

std::string_view to_string(ReplicaState state) {
    switch (state) {
        case ReplicaState::starting:
            return "starting";
        case ReplicaState::ready:
            return "ready";
        case ReplicaState::draining:
            return "draining";
        case ReplicaState::unhealthy:
            return "unhealthy";
    }
    return "unhealthy";
}

core::http::Address address_of(const Replica& replica, const core::Secret& server_secret) {
    if (replica.host.empty()) {
        return core::http::UnixAddress{replica.socket};
    }
    return core::http::TcpAddress{.host = replica.host,
                                  .port = replica.port,
                                  .link_key = core::link_key(server_secret, replica.id)};
}

std::string encode(const FleetMap& map) {
    json replicas = json::array();
    for (const auto& replica : map.replicas) {
        replicas.push_back(encode_replica(replica));
    }
    json engines = json::object();
    for (const auto& [name, facts] : map.engines) {
        engines[name] = encode_engine(facts);
    }
    const json out = {{"format", k_fleet_format},
                      {"version", map.version},
                      {"replicas", std::move(replicas)},
                      {"models", encode_models(map.models)},
                      {"engines", std::move(engines)},
                      {"keys", map.keys},
                      {"limits",
                       {{"max_body_bytes", map.limits.max_body_bytes},
                        {"max_queue", map.limits.max_queue},
                        {"queue_seconds", map.limits.queue_seconds}}}};
    return out.dump(2, ' ', false, json::error_handler_t::replace);
}

Result<FleetMap> decode_fleet_map(std::string_view text) {
    try {
        return decode(json::parse(text));
    } catch (const json::exception& error) {
        return fail(Fault::invalid, std::string("not a fleet map: ") + error.what());
    }
}

}  // namespace sust::serve
