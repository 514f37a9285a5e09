#pragma once

// What sbatch is told of an attempt, and the script that starts its wrapper.

#include <string>
#include <vector>

#include "cluster/kept_job.h"
#include "cluster/slurm/slurm.h"

namespace sust::cluster::slurm {

// Options that jobs may pass through: those that change nothing of what we promise.
Result<void> check_options(const JobSpec& spec);

// A shell script that becomes `sust-agent job`; written before sbatch is asked.
std::string batch_script(const KeptJob& job, const SlurmOptions& options);
// The words after "sbatch", without the script.
Result<std::vector<std::string>> batch_words(const KeptJob& job, const SlurmOptions& options,
                                             std::optional<Duration> longest);
// Of a specification that is not kept, for estimates.
std::vector<std::string> resource_words(const JobSpec& spec, const SlurmOptions& options,
                                        Duration time_limit, std::optional<Duration> longest,
                                        const std::vector<std::string>& exclude_nodes);

}  // namespace sust::cluster::slurm
