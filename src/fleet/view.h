#pragma once

// What people and programs are shown of the fleet.

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"
#include "fleet/spec.h"

namespace sust::fleet {

struct ReplicaView {
    std::string id;
    int generation = 0;
    std::string state;
    core::WallTime since{};
    int restarts = 0;
    std::string reason;  // why it is not ready
    cluster::Placement placement;
    std::string address;  // a socket's path, or host:port; empty: not known yet
};

struct ServiceView {
    std::string name;
    // starting, ready, degraded, rolling, failing, idle (no replica wanted), removing
    std::string state;
    int generation = 0;
    int wanted = 0;
    int ready = 0;
    std::string trouble;  // why the last change was not made, if so
    ServiceSpec spec;
    struct Model {
        std::string name;
        std::string digest;
    };
    std::vector<Model> models;
    std::vector<ReplicaView> replicas;
};

struct GatewayView {
    std::string id;
    std::uint64_t version = 0;
    core::WallTime seen{};
};

void to_json(nlohmann::json& json, const ReplicaView& view);
void to_json(nlohmann::json& json, const ServiceView& view);
void to_json(nlohmann::json& json, const GatewayView& view);

}  // namespace sust::fleet
