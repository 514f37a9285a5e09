#pragma once

// What Slurm is asked of an attempt, and the script that starts its wrapper.

#include <string>

#include "cluster/kept_job.h"
#include "cluster/principals.h"
#include "cluster/slurm/slurm.h"
#include "cluster/slurm/transport.h"

namespace sust::cluster::slurm {

// Options that jobs may pass through: those that change nothing of what we promise, and that the
// transport can say.
Result<void> check_options(const JobSpec& spec, const Transport& transport);

// 'it'\''s'
std::string shell_word(std::string_view text);
// A shell script that becomes `sust-agent job`.
std::string batch_script(const KeptJob& job, const core::Environment& base, const Path& agent);
// What the wrapper on the first node puts before the command; empty: nothing.
std::vector<std::string> launcher_of(const JobSpec& spec, const SlurmOptions& options);
// `longest`: the partition's limit, if it has one.
Result<Submission> submission_of(const KeptJob& job, const Principal* who,
                                 const SlurmOptions& options, std::optional<Duration> longest);
// Of a specification that is not kept, for estimates.
Resources resources_of(const JobSpec& spec, const SlurmOptions& options, Duration time_limit,
                       std::optional<Duration> longest);

}  // namespace sust::cluster::slurm
