#pragma once

// Where in a job a task stands, as SUST_* tells it to the command (docs/protocol/job.md).

#include <string>
#include <string_view>

#include "core/process.h"
#include "core/result.h"

namespace sust::cluster {

// Of one node of a job.
struct Place {
    int node_rank = 0;
    int nodes = 1;
    std::string head_node;  // a host's name
};

// SUST_NODE_RANK, SUST_NODES and SUST_HEAD_NODE where `environment` has any of them, else what
// Slurm says of its step, else the only node, `host`. invalid: numbers that are none.
core::Result<Place> place_of(const core::Environment& environment, const std::string& host);

// Adds all of SUST_* for one of `local_size` tasks of that node.
void tell_place(core::Environment& environment, const Place& place, int local_rank, int local_size);
// Those of the node alone, for a launcher that starts its tasks.
void tell_node(core::Environment& environment, const Place& place);

// "nid[003-007,9],x1" -> "nid003"; empty for what is no list of hosts.
std::string first_host(std::string_view list);

}  // namespace sust::cluster
