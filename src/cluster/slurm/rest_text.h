#pragma once

// What slurmrestd answers (JSON, v0.0.38), and what it is told. Untrusted: an entry that is none
// is left out, and an answer that is no JSON is an error. Linear in the size of the answer.

#include <string>
#include <string_view>
#include <vector>

#include "cluster/slurm/transport.h"

namespace sust::cluster::slurm {

// The fields that parse_queue() reads of squeue; jobs that are not ours are left out. What is not
// read is skipped and not checked: the list has every field of every job of the cluster. It is
// taken as a whole so that it can be read in place, if there is room behind it.
Result<std::vector<QueueRow>> read_jobs(std::string json);
Result<Site> read_site_parts(std::string_view nodes, std::string_view partitions,
                             std::string_view prefix);
// The number of a submission that was taken.
Result<std::string> read_submitted(std::string_view json);
// "22.05.8", and whether a controller is up.
struct Pong {
    std::string release;
    bool up = false;
};
Result<Pong> read_ping(std::string_view json);

// What an answer of this status complains of. A bad token and a dead controller look alike to
// slurmrestd (500): both are unavailable.
core::Error complaint_of(int status, std::string_view json);
// Slurm's "Invalid job id specified".
bool is_unknown_job(std::string_view json);

// The body of job/submit.
std::string submit_text(const Submission& submission);
// Whether submit_text can say this option of sbatch.
bool says_option(std::string_view option);

}  // namespace sust::cluster::slurm
