#pragma once

// A service: a base model and its adapters kept answering by replicas of one engine.
// Said (TOML or JSON, optional fields) and meant (concrete, checked) are two types.
// docs/formats/service.md.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/request.h"
#include "fleet/engine.h"

namespace sust::fleet {

struct SaidService {
    std::string name;
    std::string base;
    std::vector<std::string> adapters;
    std::optional<std::string> engine;
    std::optional<std::int64_t> replicas;
    std::optional<std::int64_t> context;
    std::optional<std::int64_t> slots;
    std::optional<std::int64_t> threads;
    std::optional<Duration> drain_timeout;
    std::optional<std::uint64_t> memory;
    cluster::Gpus gpus;
    std::vector<cluster::Placement> placement;
    std::string document;  // as it is said, for passing on: JSON that service_from_json reads
    // Where each key was said ("service.toml:3:1"), for errors; under "" the whole.
    std::map<std::string, std::string> places;
};

Result<SaidService> service_from_toml(std::string_view text, const std::string& origin);
// The same keys as in TOML; durations are text ("60s").
Result<SaidService> service_from_json(const nlohmann::json& json);

struct ServiceSpec {
    std::string name;
    std::string base;                   // a model's name
    std::vector<std::string> adapters;  // names, in the order in which the engine gets them
    std::string engine;
    int replicas = 0;
    int context = 0;  // tokens of one request, prompt and answer together
    int slots = 0;    // requests that one replica works on at once
    int threads = 0;  // of one replica
    Duration drain_timeout{};
    std::uint64_t memory_bytes = 0;             // of one replica; 0: what the back end gives
    cluster::Gpus gpus;                         // of one replica
    std::vector<cluster::Placement> placement;  // alternatives, the first that accepts is taken

    bool operator==(const ServiceSpec&) const = default;
};

// Fills in defaults and checks every field: range and reason, where and what to do.
Result<ServiceSpec> check_service(const SaidService& said, const Engines& engines);
// The number of replicas alone, as `scale` takes it.
Result<int> check_replicas(std::int64_t replicas, const std::string& where);

void to_json(nlohmann::json& json, const ServiceSpec& spec);

}  // namespace sust::fleet
