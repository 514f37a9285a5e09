#pragma once

// A service with its names resolved to bytes: what its replicas are started from.

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "fleet/command.h"
#include "fleet/spec.h"
#include "store/store.h"

namespace sust::fleet {

struct ServicePlan {
    ServiceSpec spec;
    store::Digest base;       // manifest of the base model
    store::Digest model;      // manifest of the artifact that holds the model file
    store::Digest base_blob;  // the model file
    struct Adapter {
        std::string name;
        store::Digest manifest;
        store::Digest blob;
        bool operator==(const Adapter&) const = default;
    };
    std::vector<Adapter> adapters;
    std::optional<store::Digest> image;  // of the engine's environment

    // Of all that a replica is made of: two plans of one digest need no replacement.
    std::string digest() const;
    // Manifests that must not be collected while a replica of this plan may start.
    std::vector<store::Digest> holds() const;
    EngineInputs inputs(const store::Store& store, const Path& socket_folder) const;
};

// Looks up every name. The model file is in the artifact `<base>/gguf` made from this very base,
// or in the base itself; adapters must be based on the same base. Errors name the next step. The
// engine's image is the caller's to add.
Result<ServicePlan> plan_service(const ServiceSpec& spec, const Engine& engine,
                                 const store::Store& store);

std::string encode(const ServicePlan& plan);
Result<ServicePlan> decode_plan(std::string_view text);

}  // namespace sust::fleet
