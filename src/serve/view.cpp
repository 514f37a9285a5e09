#include "serve/view.h"

#include <algorithm>

namespace sust::serve {

namespace {

const EngineFacts k_no_facts;

}  // namespace

std::shared_ptr<const View> View::make(FleetMap map, const View* previous) {
    auto view = std::make_shared<View>();
    view->map_ = std::move(map);
    for (const auto& replica : view->map_.replicas) {
        auto& load = view->loads_[replica.id];
        if (previous != nullptr) {
            if (const auto known = previous->loads_.find(replica.id);
                known != previous->loads_.end()) {
                load = known->second;
            }
        }
        if (!load) {
            load = std::make_shared<ReplicaLoad>();
        }
        const auto facts = view->map_.engines.find(replica.engine);
        for (const auto& model : replica.models) {
            view->models_[model.name].push_back(
                {.replica = &replica,
                 .model = &model,
                 .facts = facts == view->map_.engines.end() ? &k_no_facts : &facts->second,
                 .load = load});
        }
    }
    for (const auto& model : view->map_.models) {
        view->models_.try_emplace(model.name);
        view->offered_.emplace(model.name, &model);
    }
    for (const auto& key : view->map_.keys) {
        if (!key.revoked) {
            view->keys_.emplace(key.id, &key);
        }
    }
    return view;
}

const std::vector<Candidate>* View::candidates(std::string_view model) const {
    const auto found = models_.find(model);
    return found == models_.end() ? nullptr : &found->second;
}

const OfferedModel* View::offered(std::string_view model) const {
    const auto found = offered_.find(model);
    return found == offered_.end() ? nullptr : found->second;
}

const tenancy::Key* View::key(std::string_view id) const {
    const auto found = keys_.find(id);
    return found == keys_.end() ? nullptr : found->second;
}

const ReplicaLoad* View::load(std::string_view replica) const {
    const auto found = loads_.find(replica);
    return found == loads_.end() ? nullptr : found->second.get();
}

std::vector<std::string> View::models_for(const tenancy::Key& key) const {
    std::vector<std::string> names;
    for (const auto& [name, candidates] : models_) {
        if (key.allows_model(name)) {
            names.push_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace sust::serve
