#pragma once

#include <string>
#include <vector>

#include "cluster/principals.h"

namespace sust::cluster {

// The list that backends.toml says, by the name service of this machine and once: what changes
// there counts after a restart. May take as long as that service does. invalid: a name that nobody
// has, or root's.
Result<Principals> find_principals(const std::vector<std::string>& names);

}  // namespace sust::cluster
