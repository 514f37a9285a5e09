// The part of Jobs that brings files to a job and from it. The pool does it; what it knows goes
// with it by value, and what comes of it is acted on here.

#include <algorithm>

#include "control/artifacts.h"
#include "control/job_inputs.h"
#include "control/jobs.h"

namespace sust::control {

using cluster::Scheduler;
using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr auto k_pause = 30s;      // a full disk does not empty in a second
constexpr auto k_patience = 1h;    // for outputs; the job has ended and somebody waits
constexpr int k_at_once = 4;       // jobs whose inputs are copied: others need the pool too
constexpr auto k_late_file = 10s;  // on a file system of two machines one sees a file later

}  // namespace

Result<void> Jobs::stage(Job& job, Scheduler& scheduler) {
    auto& files = bringing_[job.id];
    const auto at_work = std::count_if(bringing_.begin(), bringing_.end(),
                                       [](const auto& one) { return one.second.at_work; });
    if (needs_.clock.monotonic() < files.again || at_work >= k_at_once) {
        return {};
    }
    const auto prepared = scheduler.prepare(spec_of(job, scheduler));
    if (!prepared && !may_pass(prepared.error().fault)) {
        return end(job, "its inputs cannot be brought: " + core::to_string(prepared.error()));
    }
    const auto place = TRY(prepared);
    const auto staged = std::make_shared<Result<void>>();
    TRY(needs_.offload(
        [staged, inputs = job.artifacts.inputs, place, &store = needs_.store,
         stop = stop_.get_token()] { *staged = stage_inputs(inputs, place, store, stop); },
        [this, id = job.id, staged] { on_staged(id, *staged); }));
    files.at_work = true;
    job.trouble = "its inputs are being brought";
    if (on_change_) {
        on_change_(job);
    }
    return {};
}

void Jobs::on_staged(const std::string& id, const Result<void>& staged) {
    const auto found = live_.find(id);
    if (found == live_.end()) {
        return;
    }
    auto& job = found->second;
    auto& files = bringing_[id];
    files.at_work = false;
    files.staged = staged.has_value();
    job.trouble.clear();
    if (!staged) {
        job.trouble = "its inputs cannot be brought: " + core::to_string(staged.error());
        needs_.log.error("the inputs of " + id + " cannot be brought", staged.error());
        files.again = needs_.clock.monotonic() + k_pause;
        if (!may_pass(staged.error().fault)) {
            (void)end(job, job.trouble);  // what cannot be kept is kept by the next step
        }
    }
    advance(job);
    give();
}

Result<void> Jobs::publish(Job& job, Scheduler& scheduler) {
    auto& files = bringing_[job.id];
    const auto now = needs_.clock.monotonic();
    files.since = files.since == core::MonoTime{} ? now : files.since;
    if (job.cancel_wanted) {
        job.artifacts.trouble = "cancelled before its outputs were published";
        return end(job, job.artifacts.trouble);
    }
    if (now < files.again) {
        return {};
    }
    const auto& last = job.attempts.back();
    Publication publication{.job = job.id,
                            .request = job.request,
                            .artifacts = job.artifacts,
                            .place = {},
                            .epoch = last.epoch,
                            .created = job.created,
                            .started = last.started,
                            .finished = last.finished};
    const auto prepared = scheduler.prepare(spec_of(job, scheduler));
    if (!prepared && !may_pass(prepared.error().fault)) {
        job.artifacts.trouble =
            "its outputs are not published: " + core::to_string(prepared.error());
        return end(job, job.artifacts.trouble);
    }
    publication.place = TRY(prepared);
    const auto published = std::make_shared<Result<Published>>();
    TRY(needs_.offload(
        [published, publication, &store = needs_.store, &clock = needs_.clock,
         stop = stop_.get_token()] {
            *published = control::publish(publication, store, clock, stop);
        },
        [this, id = job.id, published] { on_published(id, *published); }));
    files.at_work = true;
    return {};
}

void Jobs::on_published(const std::string& id, const Result<Published>& published) {
    const auto found = live_.find(id);
    if (found == live_.end()) {
        return;
    }
    auto& job = found->second;
    auto& files = bringing_[id];
    files.at_work = false;
    const auto done = published ? take(job, *published)
                                : Result<void>(tl::unexpected<core::Error>(published.error()));
    if (!done && job.phase == JobPhase::publishing) {
        const auto& error = done.error();
        const auto now = needs_.clock.monotonic();
        const auto* scheduler = needs_.backends.find(job.placement.backend).value_or(nullptr);
        const bool late = error.fault == Fault::not_found && scheduler != nullptr &&
                          !scheduler->capabilities().contains(cluster::Capability::this_machine) &&
                          now < files.since + k_late_file;
        job.trouble = "its outputs are not published: " + core::to_string(error);
        if (late || (may_pass(error.fault) && now < files.since + k_patience)) {
            files.again = now + (late ? core::Duration(1s) : core::Duration(k_pause));
            needs_.log.warn("outputs are not published yet",
                            {{"job", id}, {"error", core::to_string(error)}});
        } else {
            job.artifacts.trouble = job.trouble;
            (void)end(job, job.trouble);
        }
    }
    advance(job);
}

Result<void> Jobs::take(Job& job, const Published& published) {
    for (const auto& [dataset, report] : published.reports) {
        TRY(remember_facts(needs_.database, dataset, report));
    }
    job.artifacts.outputs = published.digests;
    return end(job, {});
}

// It has ended and is kept as that: what fails here is made good by the next controller, or when
// the job is removed.
void Jobs::let_go(const Job& job) {
    bringing_.erase(job.id);
    if (job.request.carried.inputs.empty() && job.request.carried.outputs.empty()) {
        return;
    }
    if (auto released = release_artifacts(job.id, needs_.store); !released) {
        needs_.log.warn("what an ended job holds in the store is not let go",
                        {{"job", job.id}, {"error", core::to_string(released.error())}});
    }
    const auto scheduler = needs_.backends.find(job.placement.backend);
    if (!scheduler || job.request.carried.inputs.empty()) {
        return;
    }
    if (job.attempts.empty()) {
        (void)(*scheduler)->forget({job.id});  // it was prepared at most
        return;
    }
    if (job.attempts.back().end == cluster::End::vanished) {
        return;  // its directory may be gone, and is not made again
    }
    const auto spec = spec_of(job, **scheduler);
    if (const auto place = (*scheduler)->prepare(spec)) {
        (void)needs_.offload(
            [place = *place, inputs = spec.inputs, workdir = spec.workdir] {
                (void)unstage_inputs(place, inputs, workdir);
            },
            [] {});
    }
}

}  // namespace sust::control
