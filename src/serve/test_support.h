#pragma once

// For the tests of this folder: fleet maps in few words.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serve/view.h"

namespace sust::serve {

inline Replica ready(std::string id, int slots = 1,
                     const std::vector<std::string>& models = {"m"}) {
    Replica replica;
    replica.id = std::move(id);
    replica.service = "s";
    replica.socket = "/run/" + replica.id + ".sock";
    replica.state = ReplicaState::ready;
    replica.slots = slots;
    for (const auto& name : models) {
        replica.models.push_back({.name = name, .engine_name = name, .select_json = {}});
    }
    return replica;
}

inline Replica in_state(ReplicaState state, Replica replica) {
    replica.state = state;
    return replica;
}

inline std::shared_ptr<const View> view_of(std::vector<Replica> replicas,
                                           const View* previous = nullptr) {
    FleetMap map;
    map.replicas = std::move(replicas);
    return View::make(std::move(map), previous);
}

}  // namespace sust::serve
