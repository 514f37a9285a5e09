#include <algorithm>

#include "tune/result_store.h"
#include "tune/runs_impl.h"
#include "tune/stage_job.h"
#include "tune/work_folder.h"

namespace sust::tune {

using cluster::Capability;
using core::Error;
using core::Fault;
using core::Result;

namespace {

// Of a failed job's standard error, read for its last lines.
constexpr std::size_t k_log_piece = 64 << 10;
constexpr std::uint64_t k_log_read_max = 4 << 20;
constexpr std::size_t k_tail_kept = 4 << 10;

Error refusal(const Judgement& judgement) {
    return {.fault = Fault::invalid,
            .message = judgement.reason,
            .where = "evaluation",
            .hint = judgement.advice};
}

// On this machine a run shares the cores with everything else; elsewhere it asks for what it uses.
cluster::JobSpec placed(cluster::JobSpec spec, const cluster::Placement& placement,
                        const cluster::Scheduler& scheduler, int threads) {
    cluster::place(spec, placement);
    if (!scheduler.capabilities().contains(Capability::this_machine)) {
        spec.shape.cpus_per_task = threads;
    }
    if (const auto longest = scheduler.longest(spec)) {
        spec.time_limit = std::min(spec.time_limit, *longest);
    }
    return spec;
}

}  // namespace

Result<void> Runs::Impl::off_loop(const Run& run, std::function<Result<void>()> work,
                                  std::function<Result<void>(Run&, Result<void>)> done) {
    if (!at_work.insert(run.id).second) {
        return {};
    }
    auto outcome = std::make_shared<Result<void>>();
    auto finish = [this, outcome, done = std::move(done), id = run.id, phase = run.phase,
                   epoch = run.epoch] {
        at_work.erase(id);
        auto now = table.by_id(id);
        if (!now || !*now || (*now)->phase != phase || (*now)->epoch != epoch) {
            return;
        }
        if (const auto moved = done(**now, std::move(*outcome)); !moved) {
            needs.log.error("run " + id, moved.error());
        }
    };
    auto begun =
        needs.offload([outcome, work = std::move(work)] { *outcome = work(); }, std::move(finish));
    if (!begun) {
        at_work.erase(run.id);
    }
    return begun;
}

Result<void> Runs::Impl::prepare(Run& run) {
    auto work = [this, run]() -> Result<void> {
        TRY(hold_inputs(run, needs.store));
        TRY(check_disk(needs.places.runs(), TRY(bytes_needed(run, needs.store)),
                       needs.limits.min_free_bytes));
        return prepare_work(run, needs.places, needs.store, needs.clock);
    };
    return off_loop(run, std::move(work), [this](Run& now, Result<void> outcome) {
        return outcome ? step(now, Event::done) : step(now, Event::failed, outcome.error());
    });
}

Result<void> Runs::Impl::follow_job(Run& run) {
    const auto job = TRY(TRY(scheduler_of(run))->describe({run.token(run.stage)}));
    const auto wanted = run.stages[run.stage].job_epoch;
    if (!job || (job->epoch < wanted && cluster::is_final(job->state))) {
        const auto begun = begin_attempt(run, job);
        // What is wrong with the run ends it; what is wrong with the machine is tried again.
        if (!begun && begun.error().fault != Fault::unavailable &&
            begun.error().fault != Fault::timeout) {
            return step(run, Event::failed, begun.error());
        }
        return begun;
    }
    if (job->epoch >= wanted && cluster::is_final(job->state)) {
        return end_job(run, *job);
    }
    return {};
}

Result<void> Runs::Impl::begin_attempt(Run& run, const std::optional<cluster::JobStatus>& job) {
    TRY(raise_lease(WorkFolder(needs.places, run), run.epoch, needs.clock));
    auto* scheduler = TRY(scheduler_of(run));
    const int width = threads(*scheduler);
    auto spec = TRY(make_stage_job(
        run, run.stage,
        {.places = needs.places, .store = needs.store, .root = needs.root, .threads = width}));
    if (job) {
        TRY(scheduler->resubmit(job->token, {}));
        return {};
    }
    return scheduler->submit(placed(std::move(spec), run.placement, *scheduler, width));
}

Result<void> Runs::Impl::end_job(Run& run, const cluster::JobStatus& job) {
    if (job.end == cluster::End::completed) {
        return step(run, Event::done);
    }
    // What a job of which nothing is known printed last says nothing about its end.
    const bool ended_by_itself = !cluster::was_lost(job) && job.end != cluster::End::cancelled;
    const auto event = cluster::was_lost(job)               ? Event::lost
                       : job.end == cluster::End::cancelled ? Event::stopped
                                                            : Event::failed;
    return step(run, event, job_error(run, run.stage, job, ended_by_itself ? last_words(run) : ""));
}

Result<void> Runs::Impl::store_result(Run& run) {
    auto stored = std::make_shared<std::optional<StoredResult>>();
    auto work = [this, run, stored]() -> Result<void> {
        *stored = TRY(tune::store_result(run, needs.places, needs.store));
        return {};
    };
    return off_loop(run, std::move(work), [this, stored](Run& now, Result<void> outcome) {
        if (!outcome) {
            return step(now, Event::failed, outcome.error());
        }
        now.result = (*stored)->digest;
        now.evaluation = std::move((*stored)->evaluation);
        const auto& judgement = (*stored)->judgement;
        return judgement.promotion == Promotion::promote
                   ? step(now, Event::done)
                   : step(now, Event::refused, refusal(judgement));
    });
}

Result<void> Runs::Impl::set_name(Run& run) {
    if (run.kind == RunKind::tune) {
        if (const auto named = needs.store.set_name(run.name, *run.result); !named) {
            return step(run, Event::failed, named.error());
        }
    }
    return step(run, Event::done);
}

Result<void> Runs::Impl::stop_job(Run& run) {
    auto* scheduler = TRY(scheduler_of(run));
    const auto job = TRY(scheduler->describe({run.token(run.stage)}));
    if (!job || cluster::is_final(job->state)) {
        return step(run, Event::stopped, run.error);
    }
    // Once per life of this process: a second call would begin the stop ladder again.
    if (asked_to_stop.insert(run.id).second) {
        if (auto asked = scheduler->cancel(job->token); !asked) {
            asked_to_stop.erase(run.id);
            return asked;
        }
    }
    return {};
}

// A failed, cancelled or lost run keeps everything: it may be resumed.
Result<void> Runs::Impl::settle(const Run& run) {
    if (run.phase == Phase::succeeded) {
        TRY(trim_work(WorkFolder(needs.places, run)));
        return needs.store.remove_root("run", run.id);
    }
    if (run.phase == Phase::refused && run.result) {
        TRY(trim_work(WorkFolder(needs.places, run)));
        return needs.store.set_root({.kind = "run",
                                     .id = run.id,
                                     .owner = "the refused candidate of run " + run.id,
                                     .since = run.created,
                                     .holds = {*run.result}});
    }
    return {};
}

// The run's line goes last: until then every step can be done again.
Result<void> Runs::Impl::erase(const Run& run) {
    auto* scheduler = TRY(scheduler_of(run));
    for (const auto stage : k_stages) {
        const cluster::Token token{run.token(stage)};
        if (TRY(scheduler->describe(token))) {
            TRY(scheduler->forget(token));
        }
    }
    TRY(needs.store.remove_root("run", run.id));
    TRY(core::remove_tree(WorkFolder(needs.places, run).path));
    TRY(table.remove(run.id));
    needs.log.info("run removed", {{"run", run.id}});
    return {};
}

std::string Runs::Impl::last_words(const Run& run) const {
    std::string tail;
    std::uint64_t offset = 0;
    const auto scheduler = scheduler_of(run);
    while (scheduler && offset < k_log_read_max) {
        const auto chunk =
            (*scheduler)->logs({run.token(run.stage)}, cluster::Stream::err, offset, k_log_piece);
        if (!chunk || chunk->bytes.empty()) {
            break;
        }
        offset = chunk->next_offset;
        tail += chunk->bytes;
        tail.erase(0, tail.size() > k_tail_kept ? tail.size() - k_tail_kept : 0);
    }
    return tail;
}

Result<cluster::Scheduler*> Runs::Impl::scheduler_of(const Run& run) const {
    return core::within(run.id, needs.backends.find(run.placement.backend));
}

int Runs::Impl::threads(cluster::Scheduler& scheduler) const {
    if (needs.threads > 0) {
        return needs.threads;
    }
    const auto nodes = scheduler.nodes();
    return nodes && !nodes->empty() ? std::max(1, nodes->front().cores) : 1;
}

Result<cluster::Placement> Runs::Impl::choose(const Run& run,
                                              const std::vector<cluster::Placement>& said) const {
    const std::vector<cluster::Placement> usual{{}};
    const auto& placements = said.empty() ? usual : said;
    for (const auto& placement : placements) {
        const auto scheduler = needs.backends.find(placement.backend);
        if (scheduler && !(*scheduler)->capabilities().contains(Capability::job_directory)) {
            return core::fail(
                Fault::invalid,
                "the nodes of " + placement.backend + " do not see the folder of a run",
                {.where = "placement", .hint = "sust backend ls shows what each does"});
        }
    }
    return needs.backends.choose(placements, [&](const cluster::Placement& placement) {
        cluster::JobSpec spec{.token = {run.token(Stage::train)}, .name = run.id, .argv = {"sust"}};
        const auto scheduler = needs.backends.find(placement.backend);
        return scheduler ? placed(std::move(spec), placement, **scheduler, threads(**scheduler))
                         : spec;
    });
}

}  // namespace sust::tune
