#pragma once

// [backend.NAME] with type = "slurm" (docs/operate/slurm.md).

#include "cluster/sites/sites.h"
#include "cluster/slurm/slurm.h"

namespace sust::cluster::slurm {

Result<SlurmOptions> read_options(const std::string& name, const core::TomlTable& table,
                                  const SiteDefaults& defaults);
Result<Site> read_site(const std::string& name, const core::TomlTable& table,
                       const SiteDefaults& defaults);

}  // namespace sust::cluster::slurm
