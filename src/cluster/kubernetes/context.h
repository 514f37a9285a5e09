#pragma once

// What all jobs of one Kubernetes back end share: who asks, the pods that were heard of, the nodes.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/kubernetes/errands.h"
#include "cluster/kubernetes/nodes.h"
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

    // Whether a pod of an earlier attempt is there.
    bool has_older(const Token& token, std::int64_t epoch) const;
    // Removes what is left of an attempt; what fails is tried again by the next sweep.
    void clean(const Token& token, std::int64_t epoch, Duration grace);
};

// The pods of which `wanted` is true.
std::vector<Wish> wishes_of(const std::map<int, Pod>& pods, bool (*wanted)(const Pod&));

}  // namespace sust::cluster::kubernetes
