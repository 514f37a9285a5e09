#pragma once

#include "cluster/scheduler.h"

namespace sust::cluster {

std::string host_name();
// Of the cores that this process may use.
std::vector<int> core_indexes();
// Of the devices /dev/nvidia<N>, and the model that the driver tells; empty where there are none.
std::vector<int> gpu_indexes();
std::string gpu_model();
// This machine as a node: cores that this process may use, memory that is installed.
Node this_node();

}  // namespace sust::cluster
