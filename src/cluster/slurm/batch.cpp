#include "cluster/slurm/batch.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cluster/slurm/text.h"
#include "cluster/tasks.h"
#include "core/text.h"

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace {

// The wrapper ends the command at its time limit and hands in its word; Slurm's own limit is only
// for a wrapper that cannot, and Slurm looks once in 30 s.
constexpr Duration k_slack = 1min;

constexpr std::array<std::string_view, 14> k_passed = {
    "constraint", "reservation", "qos",      "licenses", "switches",         "exclusive",
    "gres",       "mem-bind",    "cpu-bind", "hint",     "cores-per-socket", "threads-per-core",
    "wckey",      "contiguous"};

}  // namespace

std::string shell_word(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out + "'";
}

Result<void> check_options(const JobSpec& spec, const Transport& transport) {
    for (const auto& [name, value] : spec.options) {
        if (std::find(k_passed.begin(), k_passed.end(), name) == k_passed.end()) {
            return fail(Fault::invalid,
                        fmt::format("'{}' cannot be passed to sbatch", core::printable(name, 60)),
                        {.where = "options",
                         .hint = "these can: " + core::join(std::vector<std::string>(
                                                                k_passed.begin(), k_passed.end()),
                                                            ", ")});
        }
        if (!transport.takes_option(name)) {
            return fail(Fault::invalid,
                        fmt::format("{} of this Slurm cannot say '{}'", transport.name(), name),
                        {.where = "options", .hint = "only its commands can: leave out `rest`"});
        }
        if (value.find_first_of("\n\r") != std::string::npos) {
            return fail(Fault::invalid, fmt::format("'{}' has more than one line", name),
                        {.where = "options"});
        }
    }
    return {};
}

std::string batch_script(const KeptJob& job, const core::Environment& base, const Path& agent) {
    std::string script = "#!/bin/sh\n";
    for (const auto& [name, value] : base) {
        script += fmt::format("export {}={}\n", name, shell_word(value));
    }
    return script + fmt::format("exec {} job --directory {} --epoch {}\n",
                                shell_word(agent.string()),
                                shell_word(job.directory().path.string()), job.status().epoch);
}

std::vector<std::string> launcher_of(const JobSpec& spec, const SlurmOptions& options) {
    const auto& shape = spec.shape;
    if (shape.nodes == 1 && shape.tasks_per_node == 1) {
        return {};
    }
    auto words = tasks_launcher(options.agent.string(), shape.tasks_per_node, spec.stop_grace);
    if (shape.nodes == 1) {
        return words;
    }
    // One step with one process on each node, which has all that the job has there.
    const std::vector<std::string> srun{
        options.srun,
        "--kill-on-bad-exit=1",
        fmt::format("--nodes={}", shape.nodes),
        fmt::format("--ntasks={}", shape.nodes),
        "--ntasks-per-node=1",
        fmt::format("--cpus-per-task={}", std::max(1, shape.cpus_per_task) * shape.tasks_per_node),
        "--cpu-bind=none",
        "--export=ALL"};
    words.insert(words.begin(), srun.begin(), srun.end());
    return words;
}

Resources resources_of(const JobSpec& spec, const SlurmOptions& options, Duration time_limit,
                       std::optional<Duration> longest) {
    const auto wanted = time_limit + spec.stop_grace + k_slack;
    const auto& shape = spec.shape;
    return {.nodes = shape.nodes,
            .cpus = std::max(1, shape.cpus_per_task) * shape.tasks_per_node,
            .memory_bytes = shape.memory_bytes,
            .gpus = shape.gpus,
            .time = longest ? std::min(wanted, *longest) : wanted,
            .partition = spec.partition.empty() ? options.partition : spec.partition,
            .account = spec.account.empty() ? options.account : spec.account,
            .qos = spec.queue,
            .nice = std::max(0, -spec.priority),  // to be sooner than others is an operator's
            .exclude_nodes = spec.exclude_nodes,
            .options = spec.options,
            .principal = spec.principal};
}

Result<Submission> submission_of(const KeptJob& job, const Principal* who,
                                 const SlurmOptions& options, std::optional<Duration> longest) {
    const auto& files = job.files();
    const auto& token = job.status().token;
    auto resources = resources_of(job.spec(), options, TRY(job.time_limit()), longest);
    resources.principal = who == nullptr ? "" : who->identity.name;
    resources.exclude_nodes = TRY(job.excluded_nodes());
    return Submission{.resources = std::move(resources),
                      .name = token.value,
                      .comment = comment_of(token, job.status().epoch),
                      .directory = files.path,
                      .log = files.wrapper_log(),
                      .script = batch_script(
                          job, who == nullptr ? options.base : environment_of(*who, options.base),
                          options.agent)};
}

}  // namespace sust::cluster::slurm
