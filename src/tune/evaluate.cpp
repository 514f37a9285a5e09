#include "tune/evaluate.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/http_client.h"
#include "core/process.h"
#include "tune/evaluation.h"
#include "tune/private_engine.h"
#include "tune/progress.h"
#include "tune/questions.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Path;
using core::Result;
using nlohmann::json;

namespace {

// One answer of at most a few hundred tokens, on a busy machine with a large model.
constexpr auto k_answer_within = std::chrono::minutes(5);
// The job's own time limit ends it much earlier.
constexpr auto k_perplexity_within = std::chrono::hours(24 * 30);
constexpr auto k_progress_every = std::chrono::seconds(1);

// Status 2 is the program's word that these inputs cannot be measured: the promotion rule judges.
Result<std::optional<Perplexity>> measure_perplexity(const EvaluatorSpec& spec,
                                                     const core::Clock& clock,
                                                     const core::Log& log) {
    if (spec.perplexity.empty()) {
        return std::optional<Perplexity>();
    }
    const Path file = spec.work / "perplexity.json";
    TRY(core::remove_tree(file));
    auto child = TRY(core::Child::spawn({.argv = spec.perplexity, .die_with_parent = true}));
    const auto status = TRY(child.wait(core::Deadline(clock, k_perplexity_within)));
    if (status == core::exit_code(Fault::invalid)) {
        log.warn("perplexity was not measured: the program refused its input");
        return std::optional<Perplexity>();
    }
    if (status != 0) {
        return fail(Fault::internal, fmt::format("the perplexity program ended with status {}",
                                                 status.value_or(-1)));
    }
    const auto text = TRY(core::read_file(file, 64 << 10));
    return std::optional(TRY(perplexity_from_json(json::parse(text, nullptr, false))));
}

// How far all datasets together are. Counted by the workers, told by whoever finds a second over.
class Told {
  public:
    Told(Path file, std::int64_t steps, const core::Clock& clock)
        : file_(std::move(file)),
          steps_(steps),
          clock_(&clock),
          begun_(clock.monotonic()),
          told_(begun_) {}

    Result<void> count() {
        const std::lock_guard lock(mutex_);
        ++step_;
        const auto now = clock_->monotonic();
        if (step_ != steps_ && now - told_ < k_progress_every) {
            return {};
        }
        told_ = now;
        const double seconds = std::chrono::duration<double>(now - begun_).count();
        return append_progress(file_, {.stage = "evaluate",
                                       .step = step_,
                                       .steps = steps_,
                                       .eta_seconds = seconds / static_cast<double>(step_) *
                                                      static_cast<double>(steps_ - step_)});
    }

  private:
    Path file_;
    std::int64_t steps_;
    const core::Clock* clock_;
    core::MonoTime begun_;
    core::MonoTime told_;
    std::mutex mutex_;
    std::int64_t step_ = 0;
};

struct Tally {
    std::int64_t n = 0;
    std::int64_t base_correct = 0;
    std::int64_t tuned_correct = 0;
    std::int64_t valid_json = 0;
};

// One of several that share a reader; each has its own connection.
class Asker {
  public:
    Asker(const PrivateEngine& engine, const core::Clock& clock, QuestionReader& reader, Told& told,
          const std::atomic<bool>& stop)
        : client_(clock, engine.address()),
          models_(&engine.models()),
          reader_(&reader),
          told_(&told),
          stop_(&stop) {}

    Result<Tally> ask_all() {
        Tally tally;
        while (!*stop_) {
            const auto question = TRY(reader_->next());
            if (!question) {
                break;
            }
            std::string answer = TRY(ask(*question, models_->front()));
            ++tally.n;
            tally.base_correct += is_right(question->expected, answer) ? 1 : 0;
            if (models_->size() > 1) {
                answer = TRY(ask(*question, models_->back()));
                tally.tuned_correct += is_right(question->expected, answer) ? 1 : 0;
            }
            tally.valid_json += is_json(answer) ? 1 : 0;
            TRY(told_->count());
        }
        return tally;
    }

  private:
    // A question that the engine refuses (too long for its context) is answered wrong.
    Result<std::string> ask(const Question& question, const serve::ServedModel& model) {
        const auto response = TRY(client_.send(
            request_for(question, model.engine_name, model.select_json), k_answer_within));
        if (response.status >= 500) {
            return fail(Fault::unavailable,
                        fmt::format("the engine answered {}: {}", response.status,
                                    response.body.substr(0, 200)));
        }
        return response.status == 200 ? answer_in(question, response.body) : std::string();
    }

    core::http::Client client_;
    const std::vector<serve::ServedModel>* models_;
    QuestionReader* reader_;
    Told* told_;
    const std::atomic<bool>* stop_;
};

Result<Tally> ask_concurrently(const PrivateEngine& engine, const core::Clock& clock,
                               QuestionReader& reader, Told& told) {
    std::atomic<bool> stop = false;
    std::vector<std::optional<Result<Tally>>> results(static_cast<std::size_t>(engine.slots()));
    std::vector<std::thread> workers;
    for (auto& result : results) {
        workers.emplace_back([&] {
            result = Asker(engine, clock, reader, told, stop).ask_all();
            stop = stop || !*result;
        });
    }
    for (auto& worker : workers) {
        worker.join();
    }
    Tally sum;
    for (auto& result : results) {
        const Tally part = TRY(std::move(*result));
        sum.n += part.n;
        sum.base_correct += part.base_correct;
        sum.tuned_correct += part.tuned_correct;
        sum.valid_json += part.valid_json;
    }
    return sum;
}

Result<std::vector<DatasetScore>> ask_datasets(const EvaluatorSpec& spec,
                                               const PrivateEngine& engine,
                                               const core::Clock& clock, const core::Log& log) {
    std::vector<std::unique_ptr<QuestionReader>> readers;
    std::int64_t questions = 0;
    for (const auto& data : spec.datasets) {
        readers.push_back(TRY(QuestionReader::open(data.file, spec.limit)));
        questions += readers.back()->total();
    }
    Told told(spec.work / "progress.jsonl", questions, clock);
    std::vector<DatasetScore> scores;
    for (std::size_t i = 0; i < readers.size(); ++i) {
        const auto& data = spec.datasets[i];
        const auto tally = TRY(core::within("dataset " + data.name,
                                            ask_concurrently(engine, clock, *readers[i], told)));
        scores.push_back({.name = data.name,
                          .digest = data.digest,
                          .n = tally.n,
                          .base_correct = tally.base_correct,
                          .valid_json = tally.valid_json});
        if (engine.models().size() > 1) {
            scores.back().tuned_correct = tally.tuned_correct;
        }
        log.info("evaluated", {{"dataset", data.name},
                               {"questions", std::to_string(tally.n)},
                               {"base_correct", std::to_string(tally.base_correct)},
                               {"tuned_correct", std::to_string(tally.tuned_correct)}});
    }
    return scores;
}

Result<void> evaluate_spec(const Path& file, const core::Places& places, const core::Clock& clock,
                           const core::Log& log) {
    const auto spec = TRY(
        core::within(file.string(), decode_evaluator_spec(TRY(core::read_file(file, 1 << 20)))));
    Evaluation evaluation;
    evaluation.perplexity = TRY(measure_perplexity(spec, clock, log));
    {
        const auto engine = TRY(PrivateEngine::start(spec, places, clock));
        evaluation.datasets = TRY(ask_datasets(spec, engine, clock, log));
    }
    return core::write_file(spec.work / "evaluation.json", json(evaluation).dump(2) + "\n");
}

}  // namespace

int run_evaluation(const Path& spec, const core::Places& places, const core::Clock& clock,
                   const core::Log& log) {
    const auto done = evaluate_spec(spec, places, clock, log);
    if (!done) {
        log.error("evaluation", done.error());
        return core::exit_code(done.error().fault);
    }
    return 0;
}

}  // namespace sust::tune
