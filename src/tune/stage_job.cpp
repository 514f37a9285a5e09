#include "tune/stage_job.h"

#include <csignal>

#include <fmt/format.h>

#include "core/text.h"
#include "tune/evaluate.h"

namespace sust::tune {

using core::Fault;
using core::Path;
using core::Result;

namespace {

// A trainer writes a checkpoint when it is told to end.
constexpr auto k_stop_grace = std::chrono::seconds(60);
constexpr std::size_t k_last_lines = 5;

using Words = std::vector<std::string>;

Words sust_words(const JobNeeds& needs) {
    Words words{(needs.places.bin / "sust").string()};
    if (!needs.root.empty()) {
        words.insert(words.end(), {"--root", needs.root.string()});
    }
    return words;
}

void mount(Words& words, const Path& source, const std::string& target) {
    words.insert(words.end(), {"--mount", source.string() + ":" + target + ":ro"});
}

Result<void> mount_inputs(Words& words, const Run& run, const WorkFolder& work,
                          const store::Store& store) {
    mount(words, work.recipe(), "/sust/recipe");
    mount(words, work.common(), "/sust/common");
    if (run.base) {
        for (const auto& file : TRY(store.files(run.base->digest))) {
            mount(words, store.blob_path(file.digest), "/sust/base/" + file.path);
        }
    }
    if (run.data) {
        const Path split = work.train_split();
        const auto file = TRY(data_file(store, *run.data));
        mount(words, core::path_exists(split) ? split : store.blob_path(file.digest),
              "/sust/data/train.jsonl");
    }
    words.insert(words.end(), {"--mount", work.path.string() + ":/sust/work"});
    return {};
}

// The recipe's program in the recipe's environment.
Result<Words> program_words(const Run& run, const Recipe& recipe, Stage stage,
                            const WorkFolder& work, const JobNeeds& needs) {
    Words words = sust_words(needs);
    words.insert(words.end(), {"run", "--environment", recipe.environment});
    TRY(mount_inputs(words, run, work, needs.store));
    words.insert(words.end(), {"--workdir", "/sust/work", "--env",
                               fmt::format("SUST_SPEC=/sust/work/{}.spec.json", to_string(stage)),
                               "--env", "PYTHONPATH=/sust/recipe:/sust/common", "--env",
                               "PYTHONDONTWRITEBYTECODE=1", "--"});
    const auto& command = recipe.stage(stage)->command;
    words.insert(words.end(), command.begin(), command.end());
    return words;
}

Result<std::vector<EvaluationData>> evaluation_data(const Run& run, const WorkFolder& work,
                                                    const store::Store& store) {
    std::vector<EvaluationData> data;
    for (const auto& dataset : run.evaluations) {
        const auto file = TRY(data_file(store, dataset));
        data.push_back({.name = dataset.name,
                        .digest = dataset.digest.str(),
                        .file = store.blob_path(file.digest)});
    }
    if (data.empty() && run.data) {
        data.push_back({.name = run.data->name + " (held out)",
                        .digest = run.data->digest.str(),
                        .file = work.heldout()});
    }
    return data;
}

// The adapter of an evaluation run is in the store, that of a tuning run in the work folder.
Result<Path> candidate_adapter(const Run& run, const WorkFolder& work, const store::Store& store) {
    if (run.kind == RunKind::tune) {
        return work.adapter_gguf();
    }
    if (run.model && run.base && run.model->digest != run.base->digest) {
        for (const auto& file : TRY(store.files(run.model->digest))) {
            if (file.path.ends_with(".gguf")) {
                return store.blob_path(file.digest);
            }
        }
    }
    return Path();
}

std::int64_t question_limit(const Run& run) {
    const auto found = run.parameters.find("eval_limit");
    const auto* limit =
        found == run.parameters.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
    return limit == nullptr ? 0 : *limit;
}

Result<void> write_evaluator_spec(const Run& run, const std::optional<Recipe>& recipe,
                                  const WorkFolder& work, const JobNeeds& needs) {
    EvaluatorSpec spec{.work = work.path, .base_gguf = work.base_gguf(), .run = sust_words(needs)};
    spec.adapter_gguf = TRY(candidate_adapter(run, work, needs.store));
    spec.datasets = TRY(evaluation_data(run, work, needs.store));
    spec.limit = question_limit(run);
    spec.threads = needs.threads;
    spec.run.push_back("run");
    if (!core::path_exists(spec.base_gguf) && run.base) {
        if (const auto file = TRY(find_base_gguf(needs.store, *run.base))) {
            spec.base_gguf = needs.store.blob_path(file->digest);
        }
    }
    if (recipe && run.kind == RunKind::tune) {
        spec.perplexity = TRY(program_words(run, *recipe, Stage::evaluate, work, needs));
    }
    return core::write_file(work.evaluator_spec(), encode(spec));
}

// The copy that the run began with; a run that judges a model with a GGUF has no recipe.
Result<std::optional<Recipe>> recipe_of(const WorkFolder& work, const Run& run) {
    if (run.recipe.empty()) {
        return std::optional<Recipe>();
    }
    const Path file = work.recipe() / "recipe.toml";
    return std::optional(TRY(parse_recipe(TRY(core::read_file(file, 1 << 20)), file)));
}

std::string last_lines(std::string_view text) {
    auto lines = core::split(core::trim(text), '\n');
    if (lines.size() > k_last_lines) {
        lines.erase(lines.begin(), lines.end() - k_last_lines);
    }
    for (auto& line : lines) {
        line = core::printable(line, 300);
    }
    return core::join(lines, "\n");
}

}  // namespace

Result<cluster::JobSpec> make_stage_job(const Run& run, Stage stage, const JobNeeds& needs) {
    const WorkFolder work(needs.places, run);
    const auto recipe = TRY(recipe_of(work, run));
    TRY(write_stage_spec(work, run, stage, needs.threads));
    cluster::JobSpec job{.token = {run.token(stage)},
                         .name = fmt::format("{} of {}", to_string(stage), run.id),
                         .workdir = work.path,
                         .stop_grace = k_stop_grace};
    if (recipe && recipe->stage(stage) != nullptr) {
        job.time_limit = recipe->stage(stage)->time_limit;
    }
    if (stage == Stage::evaluate) {
        TRY(write_evaluator_spec(run, recipe, work, needs));
        job.argv = sust_words(needs);
        job.argv.insert(job.argv.end(), {"internal-evaluate", work.evaluator_spec().string()});
    } else {
        job.argv = TRY(program_words(run, *recipe, stage, work, needs));
    }
    return job;
}

core::Error job_error(const Run& run, Stage stage, const cluster::JobStatus& status,
                      std::string_view last_words) {
    core::Error error{
        .fault = Fault::internal,
        .where = fmt::format("stage {}", to_string(stage)),
        .hint = fmt::format("sust tune logs {} --stage {} shows all; sust tune resume {} "
                            "goes on from the last checkpoint",
                            run.id, to_string(stage), run.id)};
    const int code = status.exit_status.value_or(-1);
    if (status.end == cluster::End::time_limit) {
        error.fault = Fault::timeout;
        error.message = "the job passed its time limit";
    } else if (cluster::was_lost(status)) {
        error.fault = Fault::unavailable;
        error.message = "the job is lost: " + status.reason;
    } else if (status.end == cluster::End::cancelled) {
        error.fault = Fault::conflict;
        error.message = "Sust was stopped (sust down) while the run was at work";
        error.hint = fmt::format("sust tune resume {} goes on from the last checkpoint", run.id);
    } else if (code > 128) {
        error.message = fmt::format("the program was killed by signal {}", code - 128);
    } else if (code >= 0) {
        error.fault = code == core::exit_code(Fault::invalid) ? Fault::invalid : Fault::internal;
        error.message = fmt::format("the program ended with status {}", code);
    } else {
        error.message = status.reason.empty() ? "the job failed" : status.reason;
    }
    if (const auto words = last_lines(last_words); !words.empty()) {
        error.message += ": " + words;
    }
    return error;
}

}  // namespace sust::tune
