#pragma once

#include <string>
#include <string_view>

#include "cluster/local.h"

namespace sust::cluster {

// The table [local] of backends.toml; absent: everything is looked up. read_sites reads the rest.
Result<LocalSettings> read_local(std::string_view text, const std::string& origin);

}  // namespace sust::cluster
