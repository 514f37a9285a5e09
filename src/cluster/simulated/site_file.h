#pragma once

// SITE.toml (docs/formats/site.md).

#include <string>
#include <string_view>

#include "cluster/simulated/model.h"
#include "core/toml.h"

namespace sust::cluster::simulated {

// Unknown keys, wrong values and names of nothing are errors with their place.
Result<Model> read_model(std::string_view text, const std::string& origin);

// One mishap, as [[script]] and whoever injects one says it.
Result<Mishap> read_mishap(const core::TomlTable& table, const Model& model);

}  // namespace sust::cluster::simulated
