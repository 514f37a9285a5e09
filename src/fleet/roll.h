#pragma once

// Which replica is started or retired next, as a pure function of what is there. Called after
// every change; each step is small, so a controller that dies between two goes on from there.

#include <string>
#include <vector>

#include "fleet/life.h"

namespace sust::fleet {

struct RollReplica {
    std::string id;
    int generation = 0;
    ReplicaState state = ReplicaState::starting;
    bool was_ready = false;  // ever
};

struct RollView {
    int wanted = 0;
    int target = 0;                     // the generation that all replicas shall be of
    bool target_proven = false;         // one of its replicas was ready once
    std::vector<RollReplica> replicas;  // oldest first
};

struct RollSteps {
    int start = 0;  // replicas of the target generation
    std::vector<std::string> retire;
    bool operator==(const RollSteps&) const = default;
};

// One replica more than wanted while rolling. An old one that answers goes only when as many as
// wanted answer without it; one that does not answer goes when it never did, when it is one too
// many, or when the new generation is proven.
RollSteps plan_roll(const RollView& view);

}  // namespace sust::fleet
