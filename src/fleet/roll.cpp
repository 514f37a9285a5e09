#include "fleet/roll.h"

#include <algorithm>

namespace sust::fleet {

namespace {

bool is_leaving(const RollReplica& replica) {
    return replica.state == ReplicaState::draining || replica.state == ReplicaState::stopping ||
           replica.state == ReplicaState::gone;
}
bool is_ready(const RollReplica& replica) {
    return replica.state == ReplicaState::ready;
}

using Replicas = std::vector<RollReplica>;

int count_ready(const Replicas& replicas) {
    return static_cast<int>(std::count_if(replicas.begin(), replicas.end(), is_ready));
}

// Those that do not answer first, then the youngest.
std::vector<std::string> surplus(Replicas replicas, int keep) {
    std::reverse(replicas.begin(), replicas.end());
    std::stable_partition(replicas.begin(), replicas.end(),
                          [](const RollReplica& replica) { return !is_ready(replica); });
    std::vector<std::string> out;
    for (int i = 0; i < static_cast<int>(replicas.size()) - keep; ++i) {
        out.push_back(replicas[static_cast<std::size_t>(i)].id);
    }
    return out;
}

RollSteps scale(const RollView& view, const Replicas& current) {
    const int have = static_cast<int>(current.size());
    if (have < view.wanted) {
        return {.start = view.wanted - have};
    }
    return {.retire = surplus(current, view.wanted)};
}

}  // namespace

RollSteps plan_roll(const RollView& view) {
    Replicas current;
    Replicas old;
    for (const auto& replica : view.replicas) {
        if (!is_leaving(replica)) {
            (replica.generation == view.target ? current : old).push_back(replica);
        }
    }
    if (old.empty()) {
        return scale(view, current);
    }
    RollSteps steps;
    int ready = count_ready(current) + count_ready(old);
    int live = static_cast<int>(current.size() + old.size());
    for (const auto& replica : old) {
        const bool goes = is_ready(replica)
                              ? ready > view.wanted
                              : view.target_proven || !replica.was_ready || live > view.wanted;
        if (goes) {
            ready -= is_ready(replica) ? 1 : 0;
            live -= 1;
            steps.retire.push_back(replica.id);
        }
    }
    const int here = static_cast<int>(view.replicas.size());
    const int new_ready = count_ready(current);
    const bool one_is_coming = new_ready < static_cast<int>(current.size());
    if (new_ready < view.wanted && !one_is_coming && steps.retire.empty() && here <= view.wanted) {
        steps.start = 1;
    }
    return steps;
}

}  // namespace sust::fleet
