#include "tune/runs.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "env/environment.h"
#include "tune/result_store.h"
#include "tune/run_request.h"
#include "tune/runs_impl.h"
#include "tune/work_folder.h"

namespace sust::tune {

using core::Error;
using core::fail;
using core::Fault;
using core::Result;
using nlohmann::json;

namespace {

constexpr std::size_t k_max_page = 1000;

std::optional<Stage> stage_of(Phase phase) {
    switch (phase) {
        case Phase::prepare:
            return Stage::prepare;
        case Phase::train:
            return Stage::train;
        case Phase::convert:
            return Stage::convert;
        case Phase::evaluate:
            return Stage::evaluate;
        case Phase::register_:
        case Phase::publish:
            return Stage::register_;
        default:
            return {};
    }
}

Phase phase_of(Stage stage) {
    switch (stage) {
        case Stage::prepare:
            return Phase::prepare;
        case Stage::train:
            return Phase::train;
        case Stage::convert:
            return Phase::convert;
        case Stage::evaluate:
            return Phase::evaluate;
        case Stage::register_:
            return Phase::register_;
    }
    return Phase::prepare;
}

// Past the stages that the recipe lacks.
Phase next_phase(const Run& run, const Transition& transition) {
    Phase phase = transition.to.value_or(phase_of(run.stage));
    for (auto stage = stage_of(phase); stage && run.stages.at(*stage).state == StageState::skipped;
         stage = stage_of(phase)) {
        phase = *find_transition(phase, Event::done)->to;
    }
    return phase;
}

StageState stage_state_after(Event event) {
    switch (event) {
        case Event::failed:
        case Event::lost:
            return StageState::failed;
        case Event::cancel:
        case Event::stopped:
            return StageState::cancelled;
        default:
            return StageState::done;
    }
}

// Closes the stage that is left and opens the one that is entered.
void mark(Run& run, Event event, Phase next, core::WallTime now) {
    const auto entered = stage_of(next);
    if (run.phase != Phase::stopping && next == Phase::stopping) {
        return;
    }
    if (!is_final(run.phase) && entered != std::optional(run.stage)) {
        run.stages[run.stage].state = stage_state_after(event);
        run.stages[run.stage].finished = now;
    }
    if (entered && (is_final(run.phase) || *entered != run.stage)) {
        run.stage = *entered;
        run.stages[run.stage].state = StageState::running;
        run.stages[run.stage].started = now;
        run.stages[run.stage].finished = {};
    }
}

// For who asked for what the state does not allow.
std::string state_sentence(const Run& run) {
    if (is_final(run.phase)) {
        return fmt::format("the run {} has ended: {}", run.id, to_string(run.phase));
    }
    if (run.phase == Phase::stopping || run.phase == Phase::removing) {
        return fmt::format("the run {} is {}", run.id,
                           run.phase == Phase::stopping ? "being cancelled" : "being removed");
    }
    return fmt::format("the run {} is at work, in stage {}", run.id, to_string(run.stage));
}

std::string instead_of_resume(const Run& run) {
    if (run.phase == Phase::refused) {
        return "start a new run with other parameters";
    }
    if (run.phase == Phase::stopping) {
        return "resume it when it has ended";
    }
    return is_final(run.phase) || run.phase == Phase::removing
               ? "only a failed, cancelled or lost run can be resumed"
               : "sust tune logs " + run.id + " --follow shows how far it is";
}

FindEnvironment default_environments(const core::Places& places, const store::Store& store) {
    return [places, &store](std::string_view name) -> Result<std::optional<store::Digest>> {
        return TRY(env::resolve(name, places, store)).image;
    };
}

}  // namespace

// --- the machine ------------------------------------------------------------------------------

Result<void> Runs::Impl::step(Run& run, Event event, std::optional<Error> error) {
    const auto* transition = find_transition(run.phase, event);
    if (transition == nullptr) {
        return {};
    }
    const Phase next = next_phase(run, *transition);
    const auto now = needs.clock.wall();
    mark(run, event, next, now);
    run.phase = next;
    run.error = std::move(error);
    run.finished = is_final(next) ? now : core::WallTime{};
    TRY(table.update(run));
    needs.log.info("run", {{"run", run.id},
                           {"event", std::string(to_string(event))},
                           {"phase", std::string(to_string(next))},
                           {"reason", run.error ? core::to_string(*run.error) : ""}});
    tell(run, is_final(next) ? "state" : "stage");
    if (is_final(next)) {
        asked_to_stop.erase(run.id);
        seen.erase(run.id);
    }
    // The transition stands, whatever becomes of its action now: tick() does that again.
    if (const auto acted = is_final(next) ? settle(run) : advance(run); !acted) {
        needs.log.error("run " + run.id, acted.error());
    }
    return {};
}

Result<void> Runs::Impl::advance(Run& run) {
    switch (action_of(run.phase)) {
        case Action::prepare:
            return prepare(run);
        case Action::run_job:
            return follow_job(run);
        case Action::store_result:
            return store_result(run);
        case Action::set_name:
            return set_name(run);
        case Action::stop_job:
            return stop_job(run);
        case Action::settle:
            return {};
        case Action::remove:
            return erase(run);
    }
    return {};
}

Result<Run> Runs::Impl::require(std::string_view id) {
    auto run = TRY(table.by_id(id));
    if (!run) {
        return fail(Fault::not_found, "no run '" + core::printable(id, 60) + "'",
                    {.hint = "sust tune ls shows all runs"});
    }
    return std::move(*run);
}

Result<void> Runs::Impl::require_idle(const Run& run) {
    if (at_work.contains(run.id)) {
        return fail(Fault::unavailable, "the run is still being put away",
                    {.where = run.id, .hint = "try again in a minute"});
    }
    auto* scheduler = TRY(scheduler_of(run));
    for (const auto stage : k_stages) {
        const auto job = TRY(scheduler->describe({run.token(stage)}));
        if (job && !cluster::is_final(job->state)) {
            TRY(scheduler->cancel(job->token));
            return fail(Fault::unavailable, "the last attempt has not ended yet; it was told to",
                        {.where = run.id, .hint = "try again in a minute"});
        }
    }
    return {};
}

// The limits that hold for every new run, then its first line in the database.
Result<Run> Runs::Impl::admit(Result<Run> made) {
    Run run = TRY(std::move(made));
    const auto active = TRY(table.active());
    if (active.size() >= needs.limits.max_active) {
        return fail(Fault::exhausted, fmt::format("{} runs are at work already", active.size()),
                    {.hint = "wait for one, or sust tune cancel one"});
    }
    for (const auto& other : active) {
        if (run.kind == RunKind::tune && other.kind == RunKind::tune && other.name == run.name) {
            return fail(Fault::conflict, fmt::format("{} is at work on '{}'", other.id, run.name),
                        {.hint = "choose another --name, or sust tune cancel " + other.id});
        }
    }
    TRY(check_disk(needs.places.runs(), TRY(bytes_needed(run, needs.store)),
                   needs.limits.min_free_bytes));
    run.stages[Stage::prepare].state = StageState::running;
    run.stages[Stage::prepare].started = run.created;
    // Before anybody hears of it: what it uses may be removed by the next request.
    TRY(hold_inputs(run, needs.store));
    TRY(table.insert(run));
    tell(run, "state");
    // The run is accepted; what fails from here on is tried again by tick().
    if (const auto begun = advance(run); !begun) {
        needs.log.error("run " + run.id, begun.error());
    }
    return run;
}

void Runs::Impl::tell(const Run& run, std::string event) {
    if (listener) {
        listener({.run = run.id, .event = std::move(event), .json = json(run).dump()});
    }
}

void Runs::Impl::tell_progress(const Run& run) {
    if (action_of(run.phase) != Action::run_job) {
        return;
    }
    const auto progress = read_progress(WorkFolder(needs.places, run).progress());
    if (!progress || !*progress || (*progress)->stage != to_string(run.stage)) {
        return;  // nothing yet, or what the stage before said last
    }
    const auto found = seen.find(run.id);
    if (found == seen.end() || found->second != **progress) {
        seen[run.id] = **progress;
        if (listener) {
            listener({.run = run.id, .event = "progress", .json = json(**progress).dump()});
        }
    }
}

// --- the verbs --------------------------------------------------------------------------------

Runs::Runs(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Runs::~Runs() = default;

Result<std::unique_ptr<Runs>> Runs::open(RunsNeeds needs) {
    auto table = TRY(RunTable::open(needs.database));
    if (!needs.find_environment) {
        needs.find_environment = default_environments(needs.places, needs.store);
    }
    if (!needs.offload) {
        needs.offload = [](std::function<void()> work, std::function<void()> done) -> Result<void> {
            work();
            done();
            return {};
        };
    }
    auto impl = std::make_unique<Impl>(Impl{.needs = std::move(needs), .table = table});
    // A run may have ended without having been settled, or have a root without being kept.
    for (const auto& root : TRY(impl->needs.store.roots())) {
        if (root.kind != "run") {
            continue;
        }
        if (const auto run = TRY(impl->table.by_id(root.id)); !run) {
            TRY(impl->needs.store.remove_root(root.kind, root.id));
        } else if (is_final(run->phase)) {
            TRY(impl->settle(*run));
        }
    }
    return std::unique_ptr<Runs>(new Runs(std::move(impl)));
}

Result<Run> Runs::start(const RunRequest& request) {
    auto& needs = impl_->needs;
    auto run =
        TRY(make_run(request, {needs.places, needs.store, needs.clock, needs.find_environment}));
    run.placement = TRY(impl_->choose(run, request.placement));
    return impl_->admit(std::move(run));
}

Result<Run> Runs::evaluate(const EvaluationRequest& request) {
    auto& needs = impl_->needs;
    return impl_->admit(make_evaluation_run(
        request, {needs.places, needs.store, needs.clock, needs.find_environment}));
}

Result<Run> Runs::show(std::string_view id) {
    Run run = TRY(impl_->require(id));
    auto progress = read_progress(WorkFolder(impl_->needs.places, run).progress());
    if (progress && *progress && (*progress)->stage == to_string(run.stage)) {
        run.progress = std::move(*progress);
    }
    return run;
}

Result<std::vector<Run>> Runs::list(std::string_view after, std::size_t limit) {
    return impl_->table.list(after, std::min(limit, k_max_page));
}

Result<cluster::LogChunk> Runs::logs(std::string_view id, Stage stage, cluster::Stream stream,
                                     std::uint64_t offset, std::size_t max_bytes) {
    const Run run = TRY(impl_->require(id));
    const cluster::Token token{run.token(stage)};
    auto* scheduler = TRY(impl_->scheduler_of(run));
    if (!TRY(scheduler->describe(token))) {
        // No job yet, or none at all: the reader is done once none can come any more.
        return cluster::LogChunk{.next_offset = offset, .complete = is_final(run.phase)};
    }
    return scheduler->logs(token, stream, offset, max_bytes);
}

Result<Run> Runs::cancel(std::string_view id) {
    Run run = TRY(impl_->require(id));
    if (run.phase == Phase::stopping) {
        return run;
    }
    if (find_transition(run.phase, Event::cancel) == nullptr) {
        return fail(Fault::conflict, state_sentence(run),
                    {.hint = is_final(run.phase) ? "sust tune rm " + run.id + " removes it"
                                                 : "it is over in a moment"});
    }
    TRY(impl_->step(
        run, Event::cancel,
        Error{.fault = Fault::conflict,
              .message = "cancelled",
              .hint = "sust tune resume " + run.id + " goes on from the last checkpoint"}));
    return impl_->require(id);
}

Result<Run> Runs::resume(std::string_view id) {
    Run run = TRY(impl_->require(id));
    if (find_transition(run.phase, Event::resume) == nullptr) {
        return fail(Fault::conflict, state_sentence(run), {.hint = instead_of_resume(run)});
    }
    TRY(impl_->require_idle(run));
    const auto job = TRY(TRY(impl_->scheduler_of(run))->describe({run.token(run.stage)}));
    ++run.epoch;
    run.stages[run.stage].job_epoch = job ? job->epoch + 1 : 1;
    TRY(impl_->step(run, Event::resume));
    return impl_->require(id);
}

Result<Run> Runs::remove(std::string_view id) {
    Run run = TRY(impl_->require(id));
    if (run.phase == Phase::removing) {
        TRY(impl_->erase(run));
        return run;
    }
    if (find_transition(run.phase, Event::remove) == nullptr) {
        return fail(Fault::conflict, state_sentence(run),
                    {.hint = run.phase == Phase::stopping ? "wait until it has ended"
                                                          : "sust tune cancel " + run.id});
    }
    TRY(impl_->require_idle(run));
    const Run before = run;
    TRY(impl_->step(run, Event::remove, run.error));
    return before;
}

void Runs::tick() {
    auto active = impl_->table.active();
    if (!active) {
        impl_->needs.log.error("runs", active.error());
        return;
    }
    for (auto& run : *active) {
        impl_->tell_progress(run);
        if (const auto moved = impl_->advance(run); !moved) {
            impl_->needs.log.error("run " + run.id, moved.error());
        }
    }
}

void Runs::on_job(const cluster::JobStatus& status) {
    const auto& token = status.token.value;
    auto run = impl_->table.by_id(token.substr(0, token.rfind('-')));
    if (!run || !*run || (*run)->token((*run)->stage) != token) {
        return;
    }
    if (const auto moved = impl_->advance(**run); !moved) {
        impl_->needs.log.error("run " + (*run)->id, moved.error());
    }
}

void Runs::on_event(std::function<void(const RunEvent&)> listener) {
    impl_->listener = std::move(listener);
}

}  // namespace sust::tune
