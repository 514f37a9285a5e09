#pragma once

// What the back end's threads do for one job: each is a few calls with deadlines, may be repeated,
// and touches nothing of the loop's.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/kubernetes/client.h"
#include "cluster/kubernetes/manifest.h"
#include "cluster/kubernetes/pod.h"
#include "core/log.h"

namespace sust::cluster::kubernetes {

std::string pods_path(const std::string& space);
std::string secrets_path(const std::string& space);

// Makes what is not there yet; its name is the same for every try.
Result<void> make_one(Client& client, const std::string& path, const nlohmann::json& object);
// Makes the Secret and the pods that are not there yet. exhausted: a quota refused one; invalid:
// Kubernetes will never take it; conflict: a name belongs to somebody else.
Result<void> make(Client& client, const std::string& space, const Order& order,
                  const KubernetesOptions& options);

// Tells the wrappers of these pods to end, or that all are there; one that is gone is fine.
struct Wish {
    std::string pod;
    std::string uid;
};
Result<void> tell(Client& client, const std::string& space, const std::vector<Wish>& pods,
                  bool cancel, const std::string& head);
// Asks the server once to evict each, as disruption budgets allow; its answers by uid.
std::map<std::string, Eviction> evict(Client& client, const std::string& space,
                                      const std::vector<Wish>& pods);
Result<void> remove_pods(Client& client, const std::string& space, const std::vector<Wish>& pods);

// What is left of an attempt.
struct Leftovers {
    std::vector<Wish> pods{};
    std::string secret{};
    std::string object{};          // of whoever made the pods
    std::optional<Shape> shape{};  // nothing: we did
    Duration grace{};              // of pods that still run
};
// Lets its pods go, whatever they do, and its Secret.
Result<void> clean(Client& client, const std::string& space, const Leftovers& left);

}  // namespace sust::cluster::kubernetes
