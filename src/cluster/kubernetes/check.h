#pragma once

// The lines of `sust backend check` for a Kubernetes cluster: each asks the API server, one starts
// a pod of the agent's image. On the thread of the client.

#include "cluster/kubernetes/discovery.h"
#include "cluster/kubernetes/kubernetes.h"

namespace sust::cluster::kubernetes {

struct CheckPlace {
    const KubernetesOptions& options;
    std::string space;
    std::string controller;
};
struct Checked {
    std::vector<CheckLine> lines{};
    std::optional<Offer> offer{};  // what the server has now, for jobs that wait for it
};
Checked check(Client& client, const CheckPlace& place, const core::Clock& clock);

}  // namespace sust::cluster::kubernetes
