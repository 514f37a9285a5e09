#pragma once

// What a job becomes in Kubernetes: one Secret with its job.json, and one pod for each node,
// made by us or, as `shape.h` has it, by a controller.

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/kept_job.h"
#include "cluster/kubernetes/kubernetes.h"

namespace sust::cluster::kubernetes {

// A Secret holds 1 MiB at most, in base64.
inline constexpr std::size_t k_secret_bytes_max = 700 << 10;

// One attempt of a job as it is to be made.
struct Order {
    JobSpec spec;  // with the time limit and the excluded nodes of this attempt
    std::int64_t epoch = 0;
    std::vector<std::string> launcher{};  // of several tasks on a node
    std::string controller{};             // whose it is: the id of this back end's folder of jobs
};
Result<Order> order_of(const KeptJob& job, const std::string& controller);

// "sust-TOKEN-EPOCH" as a name that Kubernetes takes: the same for every controller.
std::string secret_name(const Token& token, std::int64_t epoch);
std::string pod_name(const Token& token, std::int64_t epoch, int rank);

// Of the one object that a controller makes pods of: short, because they are called after it.
std::string shaped_name(const Token& token, std::int64_t epoch);

// What begins the command inside its pod.
std::vector<std::string> launcher_of(const JobSpec& spec);
nlohmann::json secret_object(const Order& order);
nlohmann::json pod_object(const Order& order, int rank, const KubernetesOptions& options);
// What every pod of that shape is made from, and the name and labels of the object around it.
nlohmann::json pod_template(const Order& order, const Shape& shape,
                            const KubernetesOptions& options);
nlohmann::json shaped_metadata(const Order& order, const KubernetesOptions& options);
// After which Kubernetes ends a pod whose wrapper could not.
std::int64_t deadline_seconds(const JobSpec& spec, const KubernetesOptions& options);
// Server-side apply: the wishes that the wrapper in that pod is to hear.
nlohmann::json wishes_object(const std::string& pod, const std::string& uid, bool cancel,
                             const std::string& head);

// Of an eviction, in the version of it that the server has ("policy/v1").
nlohmann::json eviction_object(const std::string& pod, const std::string& uid,
                               const std::string& version);

// Whether the job asks for what this back end was told of; invalid names the field.
Result<void> check_request(const JobSpec& spec, const KubernetesOptions& options);
// Kubernetes' quantities, "64", "500m", "16Gi": in thousandths. Nothing: it is none.
std::optional<std::int64_t> parse_quantity(std::string_view text);

}  // namespace sust::cluster::kubernetes
