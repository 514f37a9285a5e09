#pragma once

// Publishes what a job has left: each output becomes an artifact with its lineage and its name, all
// of them or none.

#include <map>
#include <stop_token>
#include <string>

#include "cluster/scheduler.h"
#include "control/job_artifacts.h"
#include "tune/data.h"

namespace sust::control {

// By value, because it is done on the pool while the job lives on.
struct Publication {
    std::string job;  // identifier
    cluster::JobRequest request;
    JobArtifacts artifacts;
    cluster::JobPlace place;
    std::int64_t epoch = 0;  // of the attempt that completed
    core::WallTime created{};
    core::WallTime started{};
    core::WallTime finished{};
};

struct Published {
    std::map<std::string, store::Digest> digests;       // by name
    std::map<store::Digest, tune::DataReport> reports;  // of datasets, for remember_facts
};

// Blocks: hashes and checks every byte. The same files give the same digests and statements however
// often it is called, so it may be cut off anywhere and repeated. conflict: a newer attempt has
// taken the place of this one, or a name stands for something else; not_found: an output is
// missing; unavailable: `stop` was asked for meanwhile.
Result<Published> publish(const Publication& publication, store::Store& store,
                          const core::Clock& clock, const std::stop_token& stop);

}  // namespace sust::control
