#pragma once

#include "cluster/scheduler.h"

namespace sust::cluster {

std::string host_name();
// This machine as a node: cores that this process may use, memory that is installed.
Node this_node();

}  // namespace sust::cluster
