#include "cluster/slurm/batch.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cluster/slurm/text.h"
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

// 'it'\''s'
std::string shell_word(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out + "'";
}

std::int64_t minutes(Duration duration) {
    return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::minutes>(duration).count());
}

}  // namespace

Result<void> check_options(const JobSpec& spec) {
    for (const auto& [name, value] : spec.options) {
        if (std::find(k_passed.begin(), k_passed.end(), name) == k_passed.end()) {
            return fail(Fault::invalid,
                        fmt::format("'{}' cannot be passed to sbatch", core::printable(name, 60)),
                        {.where = "options",
                         .hint = "these can: " + core::join(std::vector<std::string>(
                                                                k_passed.begin(), k_passed.end()),
                                                            ", ")});
        }
        if (value.find_first_of("\n\r") != std::string::npos) {
            return fail(Fault::invalid, fmt::format("'{}' has more than one line", name),
                        {.where = "options"});
        }
    }
    return {};
}

std::string batch_script(const KeptJob& job, const SlurmOptions& options) {
    std::string script = "#!/bin/sh\n";
    for (const auto& [name, value] : options.base) {
        script += fmt::format("export {}={}\n", name, shell_word(value));
    }
    return script + fmt::format("exec {} job --directory {} --epoch {}\n",
                                shell_word(options.agent.string()),
                                shell_word(job.directory().path.string()), job.status().epoch);
}

std::vector<std::string> resource_words(const JobSpec& spec, const SlurmOptions& options,
                                        Duration time_limit, std::optional<Duration> longest,
                                        const std::vector<std::string>& exclude_nodes) {
    const auto& shape = spec.shape;
    const auto wanted = time_limit + spec.stop_grace + k_slack;
    std::vector<std::string> words{
        fmt::format("--nodes={}", shape.nodes),
        fmt::format("--ntasks-per-node={}", shape.tasks_per_node),
        fmt::format("--cpus-per-task={}", std::max(1, shape.cpus_per_task)),
        fmt::format("--time={}", minutes(longest ? std::min(wanted, *longest) : wanted))};
    const auto add = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) {
            words.push_back(fmt::format("--{}={}", name, value));
        }
    };
    constexpr std::uint64_t k_mib = 1 << 20;
    if (shape.memory_bytes > 0) {
        words.push_back(fmt::format("--mem={}M", (shape.memory_bytes + k_mib - 1) / k_mib));
    }
    if (shape.gpus.count > 0) {
        words.push_back(fmt::format("--gpus-per-node={}{}{}", shape.gpus.type,
                                    shape.gpus.type.empty() ? "" : ":", shape.gpus.count));
    }
    add("partition", spec.partition.empty() ? options.partition : spec.partition);
    add("account", spec.account.empty() ? options.account : spec.account);
    add("qos", spec.queue);
    add("exclude", core::join(exclude_nodes, ","));
    if (spec.priority < 0) {  // to be sooner than others is an operator's to give
        words.push_back(fmt::format("--nice={}", -spec.priority));
    }
    for (const auto& [name, value] : spec.options) {
        words.push_back(value.empty() ? "--" + name : fmt::format("--{}={}", name, value));
    }
    return words;
}

Result<std::vector<std::string>> batch_words(const KeptJob& job, const SlurmOptions& options,
                                             std::optional<Duration> longest) {
    const auto& files = job.files();
    std::vector<std::string> words{
        "--job-name=" + job.status().token.value,
        "--comment=" + comment_of(job.status().token, job.status().epoch),
        // Attempts are ours to count: Slurm starts each once.
        "--no-requeue",
        // The user's environment neither comes along nor is looked up on the node.
        "--export=NIL", "--chdir=" + files.path.string(),
        "--output=" + files.wrapper_log().string(), "--open-mode=append"};
    const auto more = resource_words(job.spec(), options, TRY(job.time_limit()), longest,
                                     TRY(job.excluded_nodes()));
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

}  // namespace sust::cluster::slurm
