#pragma once

// `sust backend check` of a Slurm.

#include <vector>

#include "cluster/slurm/slurm.h"
#include "cluster/slurm/transport.h"

namespace sust::cluster::slurm {

// Runs a job of a second. On the back end's thread: takes up to half a minute.
std::vector<CheckLine> check_site(Transport& transport, const SlurmOptions& options,
                                  const core::Clock& clock);

}  // namespace sust::cluster::slurm
