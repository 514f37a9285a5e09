#include "cluster/slurm/limits.h"

#include <fmt/format.h>

#include "core/text.h"

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;

namespace {

tl::unexpected<core::Error> too_much(std::string_view field, std::string what,
                                     const Partition& partition) {
    return fail(Fault::invalid, fmt::format("partition {} has {}", partition.name, what),
                {.where = std::string(field)});
}

}  // namespace

Result<void> fits(const JobSpec& spec, const Partition& partition) {
    const auto& shape = spec.shape;
    if (shape.nodes > partition.nodes) {
        return too_much("nodes", fmt::format("{} nodes", partition.nodes), partition);
    }
    if (shape.cpus_per_task * shape.tasks_per_node > partition.cores) {
        return too_much("cpus_per_task", fmt::format("nodes of {} cores", partition.cores),
                        partition);
    }
    if (shape.memory_bytes > partition.memory_bytes) {
        return too_much("memory", "nodes of " + core::format_size(partition.memory_bytes),
                        partition);
    }
    if (shape.gpus.count > partition.gpus.count ||
        (!shape.gpus.type.empty() && shape.gpus.type != partition.gpus.type)) {
        return too_much(
            "gpus", fmt::format("nodes of {} GPUs {}", partition.gpus.count, partition.gpus.type),
            partition);
    }
    if (partition.longest && spec.time_limit > *partition.longest) {
        return too_much("time.limit",
                        "a time limit of " + core::format_duration(*partition.longest), partition);
    }
    return {};
}

}  // namespace sust::cluster::slurm
