#pragma once

// The machines of a back end, as it shows them and as it gives them free.

#include <string>
#include <string_view>
#include <vector>

#include "cluster/job.h"

namespace sust::cluster {

enum class NodeState { idle, busy, draining, drained, down, unknown };
std::string_view to_string(NodeState state);

struct Node {
    std::string name;
    NodeState state = NodeState::unknown;
    int cores = 0;
    std::uint64_t memory_bytes = 0;
    Gpus gpus;
    std::vector<std::string> partitions;
    bool held = false;        // by us
    std::string hold_reason;  // ours
    std::string reason;       // the scheduler's, or another administrator's
    core::WallTime observed{};
};

// What became of our jobs on a node that is drained, one entry for each of their parts there.
struct Drained {
    struct Part {
        Token token;
        std::string what;  // the scheduler's name of it
        bool gone = false;
        std::string why;  // it is still there
    };
    std::vector<Part> parts;
};

}  // namespace sust::cluster
