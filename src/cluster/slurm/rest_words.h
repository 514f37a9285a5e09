#pragma once

// What slurmrestd is told: bodies of requests (JSON), in the words of each of its versions.

#include <string>
#include <string_view>

#include "cluster/slurm/rest_version.h"
#include "cluster/slurm/transport.h"

namespace sust::cluster::slurm {

// The body of job/submit. Options that the version cannot say are left out: see says_option.
std::string submit_text(const RestVersion& version, const Submission& submission);
// Whether submit_text can say this option of sbatch.
bool says_option(const RestVersion& version, std::string_view option);

// The three below are of structured versions. Bodies of DELETE jobs/, which does nothing to the
// job of another user, and of POST node/NAME.
std::string cancel_text(const std::string& id, const std::string& user);
std::string drain_text(const std::string& reason);
std::string resume_text();

}  // namespace sust::cluster::slurm
