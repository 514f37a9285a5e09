#include "control/jobs.h"

#include <algorithm>

#include <fmt/format.h>

#include "cluster/inputs.h"
#include "control/job_decision.h"
#include "core/id.h"
#include "core/text.h"

namespace sust::control {

using cluster::JobStatus;
using cluster::Scheduler;
using core::fail;
using core::Fault;

namespace {

constexpr std::size_t k_live_max = 10'000;  // each is looked at every tick
constexpr std::size_t k_attempts_max = 10'000;
// Given to a back end together, and such sets at once: what comes while some are being written
// down waits for the next set, so that the fewer the syncs of a job, the more there are.
constexpr std::size_t k_given_max = 32;
constexpr int k_sets_max = 2;

}  // namespace

bool may_pass(Fault fault) {
    return fault == Fault::unavailable || fault == Fault::timeout || fault == Fault::exhausted ||
           fault == Fault::internal;
}

Result<Jobs> Jobs::open(JobsNeeds needs) {
    Jobs jobs(std::move(needs));
    for (auto& job : TRY(jobs.table_.active())) {
        auto id = job.id;
        jobs.live_.emplace(std::move(id), std::move(job));
    }
    const auto is_live = [&](const std::string& id) { return jobs.live_.contains(id); };
    if (auto released = release_all_but(is_live, jobs.needs_.store); !released) {
        jobs.needs_.log.warn("what ended jobs hold in the store is not let go",
                             {{"error", core::to_string(released.error())}});
    }
    return jobs;
}

// --- Verbs -----------------------------------------------------------------------------------

Result<Job> Jobs::submit(const cluster::JobRequest& request) {
    if (live_.size() >= k_live_max) {
        return fail(Fault::exhausted,
                    fmt::format("{} jobs have not ended, which is the limit", k_live_max),
                    {.hint = "wait for some to end, or cancel some"});
    }
    Job job{.id = core::make_id(needs_.clock, "job-"),
            .request = request,
            .created = needs_.clock.wall()};
    job.artifacts = TRY(resolve_artifacts(request, needs_.store));
    job.placement = TRY(needs_.backends.choose(request, {job.id}));
    job.status.token.value = job.id;
    // Until the row is there, the next controller lets go of it.
    TRY(hold_artifacts(job.id, job.created, job.artifacts, needs_.store));
    TRY(table_.insert(job));
    needs_.log.info("a job is planned", {{"job", job.id}, {"backend", job.placement.backend}});
    auto& kept = live_.emplace(job.id, job).first->second;
    advance(kept);
    give();
    return show(job.id);
}

Result<Job> Jobs::cancel(std::string_view id) {
    const auto found = live_.find(id);
    if (found == live_.end()) {
        return show(id);
    }
    auto& job = found->second;
    if (!job.cancel_wanted) {
        job.cancel_wanted = true;
        TRY(keep(job));
        advance(job);
    }
    return show(id);
}

Result<void> Jobs::remove(std::string_view id) {
    const auto job = TRY(show(id));
    if (job.phase != JobPhase::ended) {
        return fail(Fault::conflict, fmt::format("job {} has not ended", job.id),
                    {.hint = "sust job cancel " + job.id});
    }
    // The back end's part first: what is left of a cut removal can be removed again.
    if (const auto scheduler = needs_.backends.find(job.placement.backend)) {
        TRY((*scheduler)->forget({job.id}));
    }
    return table_.remove(id);
}

Result<Job> Jobs::show(std::string_view id) {
    const auto found = live_.find(id);
    return found == live_.end() ? table_.by_id(id) : Result<Job>(found->second);
}

Result<std::vector<Job>> Jobs::list(std::string_view after, std::size_t limit) {
    auto jobs = TRY(table_.list(after, limit));
    for (auto& job : jobs) {
        if (const auto found = live_.find(job.id); found != live_.end()) {
            job = found->second;
        }
    }
    return jobs;
}

Result<cluster::LogChunk> Jobs::logs(std::string_view id, cluster::Stream stream,
                                     std::uint64_t offset, std::size_t max_bytes) {
    const auto job = TRY(show(id));
    auto* scheduler = TRY(needs_.backends.find(job.placement.backend));
    const bool ended = job.phase == JobPhase::ended;
    if (!TRY(scheduler->describe({job.id}))) {
        return cluster::LogChunk{.next_offset = offset, .complete = ended};
    }
    auto chunk = TRY(scheduler->logs({job.id}, stream, offset, max_bytes));
    chunk.complete = chunk.complete && ended;
    return chunk;
}

// --- The course of a job ---------------------------------------------------------------------

void Jobs::on_job(const JobStatus& status) {
    if (const auto found = live_.find(status.token.value); found != live_.end()) {
        advance(found->second);
    }
}

void Jobs::tick() {
    for (auto next = live_.begin(); next != live_.end();) {
        advance((next++)->second);  // which takes away that one at most
    }
    give();
}

// `job` may be gone afterwards: an ended one leaves.
void Jobs::advance(Job& job) {
    const auto done = step(job);
    if (!done) {
        const auto trouble = core::to_string(done.error());
        if (trouble != job.trouble) {  // said once, not every tick
            needs_.log.error("a job stands still", done.error());
        }
        job.trouble = trouble;
    } else if (job.phase == JobPhase::ended) {
        live_.erase(job.id);
    }
}

Result<void> Jobs::step(Job& job) {
    if (job.phase == JobPhase::ended) {
        TRY(keep(job));  // what could not be kept before
        let_go(job);
        return {};
    }
    if (const auto files = bringing_.find(job.id);
        files != bringing_.end() && (files->second.at_work || files->second.given)) {
        return {};  // what comes of it is acted on then
    }
    auto* scheduler = TRY(needs_.backends.find(job.placement.backend));
    if (job.phase == JobPhase::planned) {
        TRY(start(job, *scheduler));
    } else if (job.phase == JobPhase::pausing) {
        TRY(go_on(job));
    }
    // The attempt that follows one that has ended is begun at once.
    for (std::int64_t seen = 0; job.phase == JobPhase::active && seen != job.epoch;) {
        seen = job.epoch;
        TRY(look(job, *scheduler));
    }
    return job.phase == JobPhase::publishing ? publish(job, *scheduler) : Result<void>();
}

Result<void> Jobs::start(Job& job, Scheduler& scheduler) {
    if (TRY(scheduler.describe({job.id}))) {  // submitted, and not kept as that
        job.phase = JobPhase::active;
        return keep(job);
    }
    if (job.cancel_wanted) {
        return end(job, "cancelled before it was started");
    }
    if (!job.request.carried.inputs.empty() && !bringing_[job.id].staged) {
        return stage(job, scheduler);
    }
    bringing_[job.id].given = true;
    lines_[job.placement.backend].waiting.push_back(job.id);
    return {};
}

// Not in the middle of a job's step: what a back end takes at once goes on at once.
void Jobs::give() {
    if (std::exchange(giving_, true)) {
        return;  // who gives goes on until nobody waits
    }
    const struct Done {
        bool& giving;
        ~Done() { giving = false; }
    } done{giving_};
    for (auto& [backend, line] : lines_) {
        const auto scheduler = needs_.backends.find(backend);
        while (scheduler && !line.waiting.empty() && line.under_way < k_sets_max) {
            std::vector<std::string> ids;
            std::vector<cluster::JobSpec> specs;
            for (; !line.waiting.empty() && ids.size() < k_given_max; line.waiting.pop_front()) {
                ids.push_back(line.waiting.front());
                auto& job = live_.at(ids.back());
                // When it was chosen, its back end may not have been looked at yet.
                cluster::fit_time_limit(job.request, **scheduler, {job.id}, job.placement);
                specs.push_back(spec_of(job, **scheduler));
            }
            ++line.under_way;
            (*scheduler)
                ->submit_all(std::move(specs), [this, backend = backend, ids](const auto& taken) {
                    on_given(backend, ids, taken);
                });
        }
    }
}

// A job that was given is live until here: nothing else is done with it meanwhile.
void Jobs::on_given(const std::string& backend, const std::vector<std::string>& ids,
                    const std::vector<Result<void>>& taken) {
    --lines_[backend].under_way;
    std::vector<Job*> active;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto& job = live_.at(ids[i]);
        bringing_[job.id].given = false;
        if (!taken[i]) {
            refuse(job, taken[i].error());
            continue;
        }
        job.phase = JobPhase::active;
        job.trouble.clear();
        bringing_.erase(job.id);
        active.push_back(&job);
    }
    if (const auto kept = keep_all(active); !kept) {
        needs_.log.error("jobs that are submitted are not kept as that", kept.error());
        for (auto* job : active) {
            job->phase = JobPhase::planned;  // its back end knows it: the next step finds that
            job->trouble = core::to_string(kept.error());
        }
    }
    for (const auto& id : ids) {
        if (auto& job = live_.at(id); job.phase != JobPhase::planned) {
            advance(job);
        }
    }
    give();
}

// Not taken: for good, or for the next step to try again.
void Jobs::refuse(Job& job, const core::Error& error) {
    const auto trouble = core::to_string(error);
    if (!may_pass(error.fault)) {
        (void)end(job, trouble);  // what cannot be kept is kept by the next step
        return;
    }
    if (error.fault != Fault::exhausted) {
        // A submission that failed half way takes its directory with it.
        bringing_[job.id] = {.again = needs_.clock.monotonic() + std::chrono::seconds(1)};
    }
    if (trouble != job.trouble) {  // said once, not every tick
        needs_.log.error("a job stands still", error);
    }
    job.trouble = trouble;
}

Result<void> Jobs::look(Job& job, Scheduler& scheduler) {
    const auto status = TRY(scheduler.describe({job.id}));
    if (!status) {
        return judge(job, {.token = {job.id},
                           .state = cluster::State::ended,
                           .end = cluster::End::vanished,
                           .epoch = job.epoch,
                           .reason = "its back end does not know it any more"});
    }
    const bool changed = status->state != job.status.state || status->epoch != job.status.epoch ||
                         status->reason != job.status.reason;
    job.status = *status;
    if (is_final(status->state) && status->epoch < job.epoch) {
        const auto longest = scheduler.longest(spec_of(job, scheduler));
        cluster::Orders orders{.time_limit = next_time_limit(job, longest)};
        if (job.request.retry.exclude_bad_nodes) {
            orders.exclude_nodes =
                bad_nodes(job, scheduler.nodes().value_or(std::vector<cluster::Node>()));
        }
        TRY(scheduler.resubmit({job.id}, orders));
        return look(job, scheduler);
    }
    if (is_final(status->state)) {
        return judge(job, *status);
    }
    if (job.cancel_wanted && status->state != cluster::State::stopping) {
        TRY(scheduler.cancel({job.id}));
    }
    if (changed && on_change_) {
        on_change_(job);
    }
    return {};
}

// An attempt has ended: for good, or to be followed by another.
Result<void> Jobs::judge(Job& job, const JobStatus& status) {
    job.attempts.push_back({.epoch = status.epoch,
                            .end = status.end.value_or(cluster::End::vanished),
                            .reason = status.reason,
                            .exit_status = status.exit_status,
                            .nodes = status.nodes,
                            .started = status.started,
                            .finished = status.finished});
    std::optional<core::Duration> longest;
    if (const auto scheduler = needs_.backends.find(job.placement.backend)) {
        longest = (*scheduler)->longest(spec_of(job, **scheduler));
    }
    const auto decision = decide(job, longest);
    if (job.attempts.back().end == cluster::End::completed &&
        !job.request.carried.outputs.empty()) {
        job.phase = JobPhase::publishing;
        return keep(job);
    }
    if (decision.what == Decision::What::end || job.attempts.size() >= k_attempts_max) {
        return end(job, {});
    }
    job.retries += decision.what == Decision::What::retry ? 1 : 0;
    job.phase = JobPhase::pausing;
    job.next_try = needs_.clock.wall() + decision.pause;
    job.trouble = decision.why;
    TRY(keep(job));
    return go_on(job);
}

Result<void> Jobs::go_on(Job& job) {
    if (job.cancel_wanted) {
        return end(job, "cancelled between two attempts");
    }
    if (needs_.clock.wall() < job.next_try) {
        return {};
    }
    job.phase = JobPhase::active;
    job.epoch = job.attempts.back().epoch + 1;
    job.trouble.clear();
    return keep(job);
}

Result<void> Jobs::end(Job& job, std::string trouble) {
    job.phase = JobPhase::ended;
    job.trouble = std::move(trouble);
    job.finished = needs_.clock.wall();
    const auto ended = end_of(job);
    needs_.log.info("a job has ended", {{"job", job.id}, {"end", std::string(to_string(*ended))}});
    TRY(keep(job));
    let_go(job);
    return {};
}

Result<void> Jobs::keep(Job& job) {
    TRY(table_.update(job));
    if (on_change_) {
        on_change_(job);
    }
    return {};
}

// In one transaction: one sync for all.
Result<void> Jobs::keep_all(const std::vector<Job*>& jobs) {
    auto transaction = TRY(needs_.database.begin());
    for (const auto* job : jobs) {
        TRY(table_.update(*job));
    }
    TRY(transaction.commit());
    for (const auto* job : jobs) {
        if (on_change_) {
            on_change_(*job);
        }
    }
    return {};
}

// In its environment, where the back end's machines have ours; the folders of the job and of its
// work are seen inside at the same paths.
cluster::JobSpec Jobs::spec_of(const Job& job, Scheduler& scheduler) const {
    auto spec = cluster::spec_of(job.request, job.placement, {job.id});
    const bool here = scheduler.capabilities().contains(cluster::Capability::job_directory);
    if (spec.image.empty() || !here) {
        return spec;
    }
    std::vector<std::string> words{(needs_.places.bin / "sust").string()};
    if (!needs_.root.empty()) {
        words.insert(words.end(), {"--root", needs_.root.string()});
    }
    words.insert(words.end(), {"run", "--environment", spec.image, "--mount",
                               scheduler.job_directory(spec.token).string()});
    if (!spec.workdir.empty()) {
        words.insert(words.end(), {"--mount", spec.workdir.string()});
    }
    for (const auto& [name, path] : spec.inputs) {
        if (path.is_absolute()) {
            const auto source = scheduler.job_directory(spec.token) / cluster::k_inputs / name;
            words.insert(words.end(),
                         {"--mount", fmt::format("{}:{}:ro", source.string(), path.string())});
        }
    }
    words.push_back("--");
    words.insert(words.end(), spec.argv.begin(), spec.argv.end());
    spec.argv = std::move(words);
    return spec;
}

}  // namespace sust::control
