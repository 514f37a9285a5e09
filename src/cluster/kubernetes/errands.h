#pragma once

// What the back end's threads do for one job: each is a few calls with deadlines, may be repeated,
// and touches nothing of the loop's.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/kubernetes/client.h"
#include "cluster/kubernetes/manifest.h"
#include "cluster/kubernetes/pod.h"
#include "core/log.h"

namespace sust::cluster::kubernetes {

std::string pods_path(const std::string& space);
std::string secrets_path(const std::string& space);

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

// Lets the pods of an attempt go, whatever they do, and its Secret.
Result<void> clean(Client& client, const std::string& space, const std::vector<Wish>& pods,
                   const std::string& secret, Duration grace);

}  // namespace sust::cluster::kubernetes
