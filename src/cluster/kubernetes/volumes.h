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

// Of a pod's `volumes` and of its container's `volumeMounts`: those that the job needs.
std::vector<nlohmann::json> shared_volumes(const JobSpec& spec, const Volumes& volumes);
std::vector<nlohmann::json> shared_mounts(const JobSpec& spec, const Volumes& volumes);
// invalid: something that the job mounts is in no volume.
Result<void> check_volumes(const JobSpec& spec, const KubernetesOptions& options);

}  // namespace sust::cluster::kubernetes
