#pragma once

// What of a job's inputs and outputs is settled: names became digests when the job was submitted,
// and outputs get theirs when they are published. On the control loop's thread.

#include <functional>
#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "cluster/request.h"
#include "store/store.h"

namespace sust::control {

using core::Result;

struct JobArtifacts {
    std::map<std::string, store::Digest> inputs;   // by the input's name
    std::map<std::string, store::Digest> bases;    // of adapters, by the output's name
    std::map<std::string, store::Digest> outputs;  // that are published, by name
    std::string trouble;                           // why none is, for good
};

// not_found: the store has no such artifact; invalid: it is none that a job can read; conflict: an
// output's name stands for something else. `where` is the place in job.toml.
Result<JobArtifacts> resolve_artifacts(const cluster::JobRequest& request,
                                       const store::Store& store);

// Nothing of it is collected until the job lets go; twice is fine.
Result<void> hold_artifacts(const std::string& job, core::WallTime since,
                            const JobArtifacts& artifacts, store::Store& store);
Result<void> release_artifacts(const std::string& job, store::Store& store);
// Those of jobs that are not in `live`, which a controller that was killed has left.
Result<void> release_all_but(const std::function<bool(const std::string&)>& is_live,
                             store::Store& store);

// [{"name","artifact","digest","path"}] and [{"name","kind","path","digest"}]
nlohmann::json inputs_json(const cluster::Carried& carried, const JobArtifacts& artifacts);
nlohmann::json outputs_json(const cluster::Carried& carried, const JobArtifacts& artifacts);
// For keeping. decode throws what nlohmann::json throws, and std::invalid_argument.
nlohmann::json encode_artifacts(const JobArtifacts& artifacts);
JobArtifacts decode_artifacts(const nlohmann::json& kept);

}  // namespace sust::control
