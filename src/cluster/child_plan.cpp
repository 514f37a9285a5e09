#include "cluster/child_plan.h"

#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/inputs.h"
#include "cluster/place.h"
#include "core/text.h"

namespace sust::cluster {

namespace {

Result<Path> own_program() {
    std::error_code code;
    auto path = std::filesystem::read_symlink("/proc/self/exe", code);
    return code ? Result<Path>(core::fail_errno("find this program", code.value())) : path;
}

Result<std::vector<std::string>> words_of(const JobWord& job) {
    auto argv = job.spec.argv;
    // Wherever a back end has put this program, a job reaches its other commands by its name.
    if (argv.front() == "sust-agent") {
        argv.front() = TRY(own_program()).string();
    }
    argv.insert(argv.begin(), job.launcher.begin(), job.launcher.end());
    return argv;
}

// The only node of a job is known without being told; of several, whoever started this wrapper
// told it its own. A launcher of several nodes finds that out on each of them.
Result<void> tell(core::Environment& environment, const JobWord& job, const WrapperOptions& options,
                  const std::string& node) {
    const bool alone = job.spec.shape.nodes == 1;
    auto told = options.environment;
    if (options.pod && !alone) {
        told["SUST_HEAD_NODE"] = options.pod->head();
    } else if (!alone && !job.launcher.empty()) {
        return {};
    }
    const Place place{.head_node = node};
    const auto here = alone ? place : TRY(place_of(told, node));
    if (job.launcher.empty()) {
        tell_place(environment, here, 0, 1);
    } else {
        tell_node(environment, here);
    }
    return {};
}

}  // namespace

Result<ChildPlan> plan_command(const JobWord& job, const WrapperOptions& options,
                               const AttemptFiles& files, const std::string& node,
                               const std::vector<int>& gpus) {
    ChildPlan plan{
        .argv = TRY(words_of(job)),
        .environment = options.pod ? options.environment : base_environment(options.environment),
        .workdir = job.spec.workdir.empty() ? files.path : job.spec.workdir};
    for (const auto& [name, value] : job.spec.environment) {
        plan.environment[name] = value;
    }
    tell_inputs(plan.environment, job.spec.inputs, options.job_directory);
    TRY(tell(plan.environment, job, options, node));
    if (!gpus.empty()) {
        plan.environment["CUDA_VISIBLE_DEVICES"] = fmt::format("{}", fmt::join(gpus, ","));
    }
    plan.environment["SUST_JOB_TOKEN"] = job.spec.token.value;
    plan.environment["SUST_JOB_EPOCH"] = std::to_string(options.epoch);
    plan.environment["SUST_JOB_ATTEMPT"] = files.path.string();
    return plan;
}

bool add_words_of_tasks(const AttemptFiles& files, ExitWord& word) {
    if (const auto first = read_failed(files); first && *first) {
        word.status = (*first)->status;
        word.signal = (*first)->signal;
        word.reason = word.signal == 0 ? ExitReason::exited : ExitReason::signalled;
    }
    const auto told = core::read_file(files.cannot_start(), k_word_bytes_max);
    if (told) {
        word.reason = ExitReason::cannot_start;
        word.detail = core::printable(core::trim(*told), 400);
    }
    return static_cast<bool>(told);
}

}  // namespace sust::cluster
