#pragma once

// The shared file systems of a pod: what a job mounts from them, and its working directory.

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/job.h"
#include "cluster/kubernetes/kubernetes.h"

namespace sust::cluster::kubernetes {

// In [backend.NAME.volumes]: "/scratch" = "host" (the nodes' own path), "/data" = "claim:sust".
inline constexpr std::string_view k_claim = "claim:";
using Volumes = std::map<std::string, std::string>;
// Where a pod's wrapper works.
inline constexpr std::string_view k_pod_jobs = "/sust/jobs/";

// Of a pod's `volumes` and of its container's `volumeMounts`: those that the job needs.
std::vector<nlohmann::json> shared_volumes(const JobSpec& spec, const KubernetesOptions& options);
std::vector<nlohmann::json> shared_mounts(const JobSpec& spec, const KubernetesOptions& options);
// invalid: something that the job mounts is in no volume.
Result<void> check_volumes(const JobSpec& spec, const KubernetesOptions& options);
// invalid: what the job is given or leaves is in no volume.
Result<void> check_files(const JobSpec& spec, const KubernetesOptions& options);
// Whether pods can be shown what the controller puts into a job's directory.
bool sees_jobs(const KubernetesOptions& options);

}  // namespace sust::cluster::kubernetes
