#pragma once

// One fleet map as the token path uses it: looked up, never changed. A new map makes a new View,
// which is posted to every thread; a request keeps the View that it began with.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "serve/fleet_map.h"

namespace sust::serve {

// What all threads share about a replica; it outlives the Views that name it.
struct ReplicaLoad {
    std::atomic<int> in_flight{0};
    std::atomic<int> idle_connections{0};
    std::atomic<std::int64_t> ejected_until{0};  // ticks of the monotonic clock
};

struct Candidate {
    const Replica* replica = nullptr;
    const ServedModel* model = nullptr;
    const EngineFacts* facts = nullptr;
    std::shared_ptr<ReplicaLoad> load;
};

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return std::hash<std::string_view>()(text);
    }
};
template <class T>
using ByName = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

class View {
  public:
    // Loads of replicas that `previous` knew are kept.
    static std::shared_ptr<const View> make(FleetMap map, const View* previous);

    const FleetMap& map() const { return map_; }
    // Every replica that has the model, ready or not; none if its service has none at the moment;
    // null: no such model.
    const std::vector<Candidate>* candidates(std::string_view model) const;
    // What the map says of it; null: no such model, or a replica is all that is known of it.
    const OfferedModel* offered(std::string_view model) const;
    const tenancy::Key* key(std::string_view id) const;
    const ReplicaLoad* load(std::string_view replica) const;
    // What a key may use, sorted.
    std::vector<std::string> models_for(const tenancy::Key& key) const;

  private:
    FleetMap map_;
    ByName<std::vector<Candidate>> models_;
    ByName<const OfferedModel*> offered_;
    ByName<const tenancy::Key*> keys_;
    ByName<std::shared_ptr<ReplicaLoad>> loads_;
};

}  // namespace sust::serve
