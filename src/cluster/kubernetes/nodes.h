#pragma once

// The nodes of a cluster: what they have, who holds them, and whether a job could ever run there.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/kubernetes/kubernetes.h"

namespace sust::cluster::kubernetes {

inline constexpr const char* k_hold = "sust/hold";  // annotation: our reason

struct Machine {
    Node node;
    std::map<std::string, std::string> labels;
    std::vector<std::pair<std::string, std::string>> taints;  // key and value of those that repel
    std::int64_t milli_cores = 0;                             // that pods may have
    bool unschedulable = false;
};

// invalid: it has no name.
Result<Machine> read_machine(const nlohmann::json& object, const KubernetesOptions& options,
                             core::WallTime now);

// The first of its taints that our pods do not tolerate; nothing: none.
std::optional<std::string> repelled_by(const Machine& machine, const KubernetesOptions& options);

// Server-side apply of what we say about the node; nothing of it gives back what is ours alone.
nlohmann::json hold_object(std::string_view node, const std::string& reason);
nlohmann::json release_object(std::string_view node);

// Whether enough nodes could ever have a pod of it. invalid says what they lack.
Result<void> fits(const JobSpec& spec, const std::vector<Machine>& machines,
                  const KubernetesOptions& options);
// How many nodes could have one of its pods, whatever runs there now.
std::size_t count_fitting(const JobSpec& spec, const std::vector<Machine>& machines,
                          const KubernetesOptions& options);

}  // namespace sust::cluster::kubernetes
