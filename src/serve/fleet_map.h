#pragma once

// What a gateway knows of the world: the answer of GET /api/v1/fleet, kept as fleet.json.
// docs/protocol/fleet.md. sustd writes it (fleet/ fills it), the gateway reads it.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/http_client.h"
#include "core/result.h"
#include "tenancy/keys.h"

namespace sust::serve {

inline constexpr int k_fleet_format = 1;

enum class ReplicaState { starting, ready, draining, unhealthy };
std::string_view to_string(ReplicaState state);
inline constexpr ReplicaState k_replica_states[] = {
    ReplicaState::starting, ReplicaState::ready, ReplicaState::draining, ReplicaState::unhealthy};

// A model name that a replica answers, and how it is chosen in a request to the engine.
struct ServedModel {
    std::string name;         // what clients say
    std::string engine_name;  // what the engine calls it (`model` in its request)
    std::string
        select_json;  // merged into the request's object, e.g. {"lora":[{"id":0,"scale":1}]}

    bool operator==(const ServedModel&) const = default;
};

struct Replica {
    std::string id;
    std::string service;
    std::string engine;  // key of FleetMap::engines
    core::Path socket;   // on this machine; empty for one that is elsewhere:
    std::string host;    // a literal address, where a relay listens (docs/protocol/relay.md)
    std::uint16_t port = 0;
    ReplicaState state = ReplicaState::starting;
    int slots = 1;  // requests that it works on at once
    std::vector<ServedModel> models;

    bool operator==(const Replica&) const = default;
};

// Where it is reached; the key of a relay follows from the server secret and the replica's id.
core::http::Address address_of(const Replica& replica, const core::Secret& server_secret);

// How the tokens of a prompt are counted when the engine could not say it in its answer.
enum class PromptCounter {
    none,          // by estimate: a token for four bytes
    llama_server,  // POST /apply-template, then /tokenize
};

// What the gateway must know of an engine (from engines/*.toml).
struct EngineFacts {
    std::vector<std::string> private_fields;  // request fields that are the engine's own: 400
    PromptCounter prompt_counter = PromptCounter::none;  // "prompt_counter": "llama-server"
    bool operator==(const EngineFacts&) const = default;
};

struct Limits {
    std::size_t max_body_bytes = 4 << 20;
    std::size_t max_queue = 256;  // requests waiting for a replica, per gateway
    int queue_seconds = 30;       // a request waits at most this long for a slot
    bool operator==(const Limits&) const = default;
};

// A model of a service, which may have no replica at the moment.
struct OfferedModel {
    std::string name;
    std::string service;
    core::WallTime created{};  // when the service began to mean this; epoch: unknown

    bool operator==(const OfferedModel&) const = default;
};

struct FleetMap {
    std::uint64_t version = 0;  // grows with every change
    std::vector<Replica> replicas;
    std::vector<OfferedModel> models;  // a map of an older sustd has none
    std::map<std::string, EngineFacts> engines;
    std::vector<tenancy::Key> keys;  // those that are not revoked
    Limits limits;
};

std::string encode(const FleetMap& map);
// Refuses a format it does not know, naming both numbers.
core::Result<FleetMap> decode_fleet_map(std::string_view text);

}  // namespace sust::serve
