#pragma once

// What slurmrestd answers (JSON), in any of its versions: each field is looked for where one of
// them has it. Untrusted: an entry that is none is left out, and an answer that is no JSON is an
// error. Linear in the size of the answer.

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
// Of DELETE jobs/: a job that is not there, is over or is another's is fine.
Result<void> read_cancelled(std::string_view json);

// What an answer of this status complains of. A bad token and a dead controller look alike to
// v0.0.38 (500): both are unavailable.
core::Error complaint_of(int status, std::string_view json);
// Slurm's "Invalid job id specified".
bool is_unknown_job(std::string_view json);
// slurmrestd has no such path, so not this version; what it says of a thing that is not there is
// an answer of its own.
bool is_unknown_place(int status, std::string_view json);

}  // namespace sust::cluster::slurm
