#pragma once

// What all jobs of one Kubernetes back end share: who asks, the pods that were heard of, the nodes.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/kubernetes/discovery.h"
#include "cluster/kubernetes/nodes.h"
#include "cluster/kubernetes/objects.h"
#include "cluster/worker.h"

namespace sust::cluster::kubernetes {

using AttemptKey = std::pair<Token, std::int64_t>;

// Changed on the control loop's thread alone.
struct Context {
    const KubernetesOptions& options;
    const core::Clock& clock;
    const core::Log& log;
    Client& acting;  // the client of `acts`: what is made and removed
    Worker& acts;
    Client& asking;  // of `asks`: logs, nodes, questions
    Worker& asks;
    std::string space{};
    std::string controller{};
    std::map<AttemptKey, std::map<int, Pod>> pods{};  // by rank
    std::optional<core::MonoTime> listed{};           // when the list was asked for
    std::string trouble{};                            // why nothing is heard
    core::MonoTime trouble_since{};
    std::vector<Machine> machines{};
    std::optional<core::WallTime> looked{};  // at the machines
    std::size_t running = 0;
    std::set<AttemptKey> cleaning{};
    std::optional<Offer> offer{};                    // what shapes the server has
    std::string offer_trouble{};                     // why that is not known
    std::set<std::string> shapes{};                  // that jobs of ours have or had
    Envelopes objects{};                             // of those shapes
    std::optional<core::MonoTime> objects_listed{};  // when that list was asked for
    bool objects_wanted = false;                     // a job waits for what its object says

    // Whether a pod of an earlier attempt is there.
    bool has_older(const Token& token, std::int64_t epoch) const;
    // Removes what is left of an attempt; what fails is tried again by the next sweep. `shape` is
    // what the job knows of it, where no pod and no object was seen.
    void clean(const Token& token, std::int64_t epoch, Duration grace,
               const std::string& shape = {});
    // Those of `shapes` that there are templates of.
    std::vector<const Shape*> used_shapes() const;
};

// The pods of which `wanted` is true.
std::vector<Wish> wishes_of(const std::map<int, Pod>& pods, bool (*wanted)(const Pod&));

}  // namespace sust::cluster::kubernetes
