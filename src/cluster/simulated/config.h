#pragma once

// [backend.NAME] with type = "simulated" (docs/operate/simulate.md).

#include "cluster/simulated/back_end.h"
#include "cluster/sites/sites.h"

namespace sust::cluster::simulated {

Result<SimulatedOptions> read_options(const std::string& name, const core::TomlTable& table,
                                      const SiteDefaults& defaults);
Result<cluster::Site> read_site(const std::string& name, const core::TomlTable& table,
                                const SiteDefaults& defaults);

}  // namespace sust::cluster::simulated
