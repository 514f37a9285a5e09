#pragma once

// What can never run: Slurm takes it all the same, and lets it wait for ever.

#include "cluster/slurm/text.h"

namespace sust::cluster::slurm {

// invalid, naming the field, where the partition never has so much.
Result<void> fits(const JobSpec& spec, const Partition& partition);

}  // namespace sust::cluster::slurm
