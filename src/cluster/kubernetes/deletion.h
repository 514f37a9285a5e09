#pragma once

// Why a pod is gone that we did not delete: evicted, driven off its node, or ended by a person.
// API servers before 1.26 do not say it in the pod; events and the node do.

#include <optional>
#include <string>

#include "cluster/kubernetes/client.h"
#include "cluster/kubernetes/nodes.h"
#include "cluster/kubernetes/pod.h"

namespace sust::cluster::kubernetes {

struct Deletion {
    End end = End::cancelled;
    std::string why;
};

// A few calls on the thread of the client; without the right to list events or nodes less is known.
// Nothing: nobody explains it.
std::optional<Deletion> why_deleted(Client& client, const std::string& space, const Pod& pod,
                                    const KubernetesOptions& options);

// What the events of a pod say, newest or not; events of another pod of that name are left out.
std::optional<Deletion> said_by_events(const nlohmann::json& events, const Pod& pod);
// What the state of its node says; null: the node is not there any more.
std::optional<Deletion> said_by_node(const nlohmann::json& node, const Pod& pod,
                                     const KubernetesOptions& options);

}  // namespace sust::cluster::kubernetes
