#include "cluster/kubernetes/nodes.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/kubernetes/manifest.h"
#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

const json& at(const json& object, std::string_view key) {
    static const json none;
    const auto found = object.is_object() ? object.find(std::string(key)) : object.end();
    return object.is_object() && found != object.end() ? *found : none;
}

std::string text(const json& object, std::string_view key) {
    const auto& found = at(object, key);
    return found.is_string() ? found.get<std::string>() : "";
}

std::int64_t quantity(const json& object, std::string_view key) {
    return parse_quantity(text(object, key)).value_or(0);
}

bool is_ready(const json& status) {
    const auto& conditions = at(status, "conditions");
    return conditions.is_array() &&
           std::any_of(conditions.begin(), conditions.end(), [](const json& one) {
               return text(one, "type") == "Ready" && text(one, "status") == "True";
           });
}

// Kubernetes' own taints of a node that is away or held come and go.
void read_taints(const json& taints, Machine& machine) {
    for (const auto& taint : taints.is_array() ? taints : json::array()) {
        const auto key = text(taint, "key");
        if (text(taint, "effect") != "PreferNoSchedule" &&
            !key.starts_with("node.kubernetes.io/")) {
            machine.taints.emplace_back(key, text(taint, "value"));
        }
    }
}

NodeState state_of(const Machine& machine, bool ready) {
    if (!ready) {
        return NodeState::down;
    }
    return machine.unschedulable ? NodeState::drained : NodeState::idle;
}

bool is_tolerated(const std::pair<std::string, std::string>& taint,
                  const KubernetesOptions& options) {
    const auto found = options.tolerations.find(taint.first);
    return found != options.tolerations.end() &&
           (found->second == "*" || found->second == taint.second);
}

bool is_chosen(const JobSpec& spec, const Machine& machine, const KubernetesOptions& options) {
    const auto has = [&](const std::string& label, const std::string& value) {
        const auto found = machine.labels.find(label);
        return found != machine.labels.end() && found->second == value;
    };
    const auto& excluded = spec.exclude_nodes;
    return std::find(excluded.begin(), excluded.end(), machine.node.name) == excluded.end() &&
           (spec.shape.gpus.type.empty() || has(options.gpu_label, spec.shape.gpus.type)) &&
           std::all_of(options.node_selector.begin(), options.node_selector.end(),
                       [&](const auto& wanted) { return has(wanted.first, wanted.second); }) &&
           !repelled_by(machine, options);
}

// What it lacks for one pod; empty: nothing.
std::string lack_of(const JobSpec& spec, const Machine& machine, const KubernetesOptions& options) {
    if (!is_chosen(spec, machine, options)) {
        return "node";
    }
    const auto& shape = spec.shape;
    if (1000LL * shape.cpus_per_task * shape.tasks_per_node > machine.milli_cores) {
        return "cpus_per_task";
    }
    if (shape.memory_bytes > machine.node.memory_bytes) {
        return "memory";
    }
    return shape.gpus.count > machine.node.gpus.count ? "gpus" : "";
}

}  // namespace

Result<Machine> read_machine(const json& object, const KubernetesOptions& options,
                             core::WallTime now) {
    const auto& metadata = at(object, "metadata");
    const auto& spec = at(object, "spec");
    const auto& status = at(object, "status");
    const auto& has = at(status, "allocatable");
    Machine machine;
    machine.node.name = text(metadata, "name");
    if (machine.node.name.empty()) {
        return fail(Fault::invalid, "a node has no name");
    }
    if (const auto& labels = at(metadata, "labels"); labels.is_object()) {
        for (const auto& [key, value] : labels.items()) {
            machine.labels.emplace(key, value.is_string() ? value.get<std::string>() : "");
        }
    }
    machine.milli_cores = quantity(has, "cpu");
    machine.node.cores =
        static_cast<int>(std::min<std::int64_t>(machine.milli_cores / 1000, 1 << 20));
    machine.node.memory_bytes = static_cast<std::uint64_t>(quantity(has, "memory") / 1000);
    machine.node.gpus.count = static_cast<int>(
        std::min<std::int64_t>(quantity(has, options.gpu_resource) / 1000, 1 << 20));
    if (const auto found = machine.labels.find(options.gpu_label); found != machine.labels.end()) {
        machine.node.gpus.type = found->second;
    }
    const auto& cordoned = at(spec, "unschedulable");
    machine.unschedulable = cordoned.is_boolean() && cordoned.get<bool>();
    read_taints(at(spec, "taints"), machine);
    const auto& hold = at(at(metadata, "annotations"), k_hold);
    machine.node.held = machine.unschedulable && hold.is_string();
    machine.node.hold_reason = machine.node.held ? hold.get<std::string>() : "";
    if (machine.unschedulable && !machine.node.held) {
        machine.node.reason = "cordoned by somebody else";
    }
    const bool ready = is_ready(status);
    machine.node.state = state_of(machine, ready);
    if (!ready && machine.node.reason.empty()) {
        machine.node.reason = "not ready";
    }
    machine.node.observed = now;
    return machine;
}

std::optional<std::string> repelled_by(const Machine& machine, const KubernetesOptions& options) {
    const auto found =
        std::find_if(machine.taints.begin(), machine.taints.end(),
                     [&](const auto& taint) { return !is_tolerated(taint, options); });
    return found == machine.taints.end() ? std::optional<std::string>() : found->first;
}

json hold_object(std::string_view node, const std::string& reason) {
    auto object = release_object(node);
    object["metadata"]["annotations"][k_hold] = reason;
    object["spec"]["unschedulable"] = true;
    return object;
}

json release_object(std::string_view node) {
    return {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", node}}}};
}

std::size_t count_fitting(const JobSpec& spec, const std::vector<Machine>& machines,
                          const KubernetesOptions& options) {
    return static_cast<std::size_t>(std::count_if(
        machines.begin(), machines.end(),
        [&](const Machine& machine) { return lack_of(spec, machine, options).empty(); }));
}

Result<void> fits(const JobSpec& spec, const std::vector<Machine>& machines,
                  const KubernetesOptions& options) {
    const auto fitting = count_fitting(spec, machines, options);
    if (fitting >= static_cast<std::size_t>(spec.shape.nodes)) {
        return {};
    }
    // The last thing that the best of the others lacks is the one to change.
    std::string field = fitting > 0 ? "nodes" : "";
    for (const std::string one : {"gpus", "memory", "cpus_per_task", "node"}) {
        for (const auto& machine : machines) {
            if (field.empty() && lack_of(spec, machine, options) == one) {
                field = one;
            }
        }
    }
    field = field.empty() || field == "node" ? "nodes" : field;
    return fail(
        Fault::invalid,
        fmt::format("{} of {} nodes could have {} of its pods, which needs {}", fitting,
                    machines.size(), spec.shape.nodes > 1 ? "one each" : "one", spec.shape.nodes),
        {.where = field,
         .hint = fmt::format("sust node ls --backend {} shows what there is", options.name)});
}

}  // namespace sust::cluster::kubernetes
