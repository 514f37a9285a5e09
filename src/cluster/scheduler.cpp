#include "cluster/scheduler.h"

#include <array>

#include <fmt/format.h>

namespace sust::cluster {

namespace {

constexpr std::array<std::string_view, 17> k_capabilities = {
    "several_nodes", "several_tasks", "gpus",       "memory_limits", "time_limits",
    "notice",        "priorities",    "partitions", "exclude_nodes", "start_estimates",
    "hold_nodes",    "drain_nodes",   "principals", "job_directory", "this_machine",
    "files",         "images"};
constexpr std::array<std::string_view, 6> k_node_states = {"idle",    "busy", "draining",
                                                           "drained", "down", "unknown"};

struct Need {
    bool there;
    Capability capability;
    std::string_view field;
};

}  // namespace

std::string_view to_string(Capability capability) {
    return k_capabilities[static_cast<std::size_t>(capability)];
}

std::string_view to_string(NodeState state) {
    return k_node_states[static_cast<std::size_t>(state)];
}

// What is a wish (a priority, nodes to keep off) is no need: it is left out where it means nothing.
Result<void> check_capabilities(const JobSpec& spec, const Scheduler& scheduler) {
    const std::array needs = {
        Need{spec.shape.nodes > 1, Capability::several_nodes, "nodes"},
        Need{spec.shape.tasks_per_node > 1, Capability::several_tasks, "tasks_per_node"},
        Need{spec.shape.gpus.count > 0, Capability::gpus, "gpus"},
        Need{spec.shape.memory_bytes > 0, Capability::memory_limits, "memory"},
        Need{spec.notice > Duration::zero(), Capability::notice, "notice"},
        Need{!spec.partition.empty(), Capability::partitions, "partition"},
        Need{!spec.account.empty(), Capability::partitions, "account"},
        Need{!spec.queue.empty(), Capability::partitions, "queue"},
        Need{!spec.principal.empty(), Capability::principals, "principal"},
        Need{!spec.mounts.empty(), Capability::images, "mounts"},
        Need{!spec.inputs.empty(), Capability::files, "input"},
        Need{!spec.outputs.empty(), Capability::files, "output"},
    };
    const auto able = scheduler.capabilities();
    for (const auto& need : needs) {
        if (need.there && !able.contains(need.capability)) {
            return core::fail(core::Fault::invalid,
                              fmt::format("the back end {} cannot do {}", scheduler.name(),
                                          to_string(need.capability)),
                              {.where = std::string(need.field),
                               .hint = "leave it out, or name another back end"});
        }
    }
    return {};
}

void Scheduler::submit_all(std::vector<JobSpec> specs,
                           std::function<void(std::vector<Result<void>>)> then) {
    std::vector<Result<void>> taken;
    for (const auto& spec : specs) {
        taken.push_back(submit(spec));
    }
    then(std::move(taken));
}

void Scheduler::drain(std::string_view, std::string_view, Duration, Then<Drained> then) {
    then(core::fail(
        core::Fault::invalid,
        fmt::format("the back end {} cannot do {}", name(), to_string(Capability::drain_nodes)),
        {.where = "drain", .hint = "hold the node without it, and cancel or await its jobs"}));
}

}  // namespace sust::cluster
