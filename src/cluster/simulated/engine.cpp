#include "cluster/simulated/engine.h"

#include <algorithm>

namespace sust::cluster::simulated {

namespace {

// Of a queue's priority, an account's and a job's own, in this order of weight.
constexpr int k_queue_weight = 10'000;

int account_priority(const Model& model, const std::string& name) {
    const auto found = model.accounts.find(name);
    return found == model.accounts.end() ? 0 : found->second;
}

}  // namespace

Engine::Engine(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      random_(model_->seed),
      room_(*model_),
      nodes_(model_->nodes.size()),
      lines_(model_->queues.size()) {
    for (const auto& group : model_->groups) {
        counts_.cores_there += std::int64_t{group.cores} * group.count;
    }
    plan_faults();
}

// --- Events ----------------------------------------------------------------------------------

Time Engine::next() const {
    return events_.empty() ? Time::max() : events_.top().at;
}

bool Engine::advance(Time until, std::size_t most) {
    while (next() <= until) {
        if (most == 0) {
            return false;
        }
        move_to(next());
        while (next() == now_) {
            const auto event = events_.top();
            events_.pop();
            happen(event);
            most -= most > 0 ? 1 : 0;
        }
        settle();
    }
    move_to(until);
    return true;
}

void Engine::move_to(Time at) {
    const auto passed = static_cast<double>((at - now_).count());
    if (passed > 0) {
        summary_.core_ms_used += passed * static_cast<double>(counts_.cores_used);
        summary_.core_ms_there += passed * static_cast<double>(counts_.cores_there);
        now_ = at;
    }
}

void Engine::miss(Time until) {
    const auto kept = away_until_;
    away_until_ = std::max(kept, until);
    (void)advance(until, SIZE_MAX);
    away_until_ = kept;
    unsettled_ = true;
    settle();
}

void Engine::plan(Time at, Do what, Uid job, int index) {
    events_.push({.at = std::max(at, now_),
                  .sequence = ++planned_,
                  .what = what,
                  .job = job,
                  .index = index});
}

void Engine::happen(const Planned& event) {
    const auto index = static_cast<std::size_t>(event.index);
    switch (event.what) {
        case Do::load:
            return arrive(event.index);
        case Do::mishap:
            return inject(model_->script[index]);
        case Do::node_back:
            return bring_back(event.index);
        case Do::maintain:
            return set_maintained(event.index, true);
        case Do::maintained:
            return set_maintained(event.index, false);
        case Do::lose_some_node:
        case Do::outage:
        case Do::preempt_some:
            return fail_by_itself(event.what);
        case Do::outage_over:
            return come_back();
        case Do::backfill:
            return backfill();
        default:
            if (auto* job = job_of(event.job)) {
                happen_to(event.what, *job);
            }
    }
}

void Engine::happen_to(Do what, Job& job) {
    switch (what) {
        case Do::eligible:
            return make_eligible(job);
        case Do::begin:
            return job.phase == Phase::starting ? begin(job) : void();
        case Do::finish:
            return job.phase == Phase::running ? end(job, end_of_play(job)) : void();
        case Do::limit:
            return stop(job, End::time_limit);
        case Do::kill:
            if (job.phase == Phase::stopping) {
                orders_.push_back({Order::Kind::kill, job.uid});
            }
            return;
        default:
            drop(job);
    }
}

void Engine::note(Entry::What what, const Job* job, int node, int detail) {
    log_.add({.at = now_,
              .what = what,
              .job = job == nullptr ? 0 : job->number,
              .node = node,
              .detail = detail});
}

void EventLog::add(Entry entry) {
    entry.sequence = ++count;
    constexpr std::uint64_t k_prime = 0x100000001b3;
    for (const std::uint64_t word :
         {static_cast<std::uint64_t>(entry.at.count()), static_cast<std::uint64_t>(entry.what),
          static_cast<std::uint64_t>(entry.job), static_cast<std::uint64_t>(entry.node + 1),
          static_cast<std::uint64_t>(entry.detail)}) {
        digest = (digest ^ word) * k_prime;
    }
    entries.push_back(entry);
    if (entries.size() > k_entries_max) {
        entries.pop_front();
    }
}

// --- Jobs ------------------------------------------------------------------------------------

Job* Engine::job_of(Uid uid) {
    const auto found = jobs_.find(uid);
    return found == jobs_.end() ? nullptr : &found->second;
}

const Job* Engine::find(Uid uid) const {
    const auto found = jobs_.find(uid);
    return found == jobs_.end() ? nullptr : &found->second;
}

Place Engine::place_of(const Job& job) const {
    const auto& queue = model_->queues[static_cast<std::size_t>(job.ask.queue)];
    return {.priority = queue.priority * k_queue_weight +
                        account_priority(*model_, job.ask.account) + job.ask.priority,
            .job = job.uid};
}

Duration Engine::drawn(const Spread& spread) {
    return certain_ ? spread.mean : random_.of(spread);
}

int Engine::submit(Ask ask) {
    const auto number = take(std::move(ask)).number;
    settle();
    return number;
}

Job& Engine::take(Ask ask) {
    const auto uid = ++last_uid_;
    auto& job = jobs_[uid];
    job = {.uid = uid, .number = ++last_number_, .ask = std::move(ask), .submitted = now_};
    if (job.is_ours()) {
        by_number_[job.number] = uid;
    }
    ++summary_.submitted;
    ++counts_.waiting;
    note(Entry::What::submitted, &job);
    const auto wait = drawn(model_->queues[static_cast<std::size_t>(job.ask.queue)].wait);
    if (wait > Duration::zero()) {
        job.why = Why::wait;
        plan(now_ + wait, Do::eligible, uid);
    } else {
        make_eligible(job);
    }
    return job;
}

void Engine::make_eligible(Job& job) {
    if (job.phase == Phase::waiting && !job.eligible) {
        job.eligible = true;
        job.why = Why::priority;
        lines_[static_cast<std::size_t>(job.ask.queue)].insert(place_of(job));
        unsettled_ = true;
    }
}

void Engine::cancel(int number) {
    const auto found = by_number_.find(number);
    if (found != by_number_.end()) {
        stop(jobs_.at(found->second), End::cancelled);
        settle();
    }
}

void Engine::begin(Job& job) {
    if (job.doomed) {
        return end(job, End::start_failed);
    }
    job.phase = Phase::running;
    job.begun = now_;
    job.has_begun = true;
    note(Entry::What::begun, &job);
    if (job.is_ours()) {
        orders_.push_back({Order::Kind::begin, job.uid});
    }
    if (job.ask.is_command) {
        plan(now_ + job.ask.limit, Do::limit, job.uid);
    } else {
        if (!job.ask.duration) {
            job.ask.duration = drawn(model_->duration);
        }
        plan(now_ + std::min(*job.ask.duration, job.ask.limit), Do::finish, job.uid);
    }
    if (!certain_ && job.is_ours() && random_.happens(model_->rates.forget)) {
        forget(job);
    }
}

End Engine::end_of_play(Job& job) {
    if (*job.ask.duration > job.ask.limit) {
        return End::time_limit;
    }
    job.exit_status =
        job.ask.exit_status ? *job.ask.exit_status : (random_.happens(model_->failed) ? 1 : 0);
    return job.exit_status == 0 ? End::completed : End::failed;
}

void Engine::stop(Job& job, End as) {
    if (job.phase == Phase::ended || job.phase == Phase::stopping) {
        return;
    }
    if (job.phase != Phase::running || !job.ask.is_command) {
        return end(job, as);
    }
    job.phase = Phase::stopping;
    job.stopping_as = as;
    note(Entry::What::stopping, &job);
    orders_.push_back({Order::Kind::stop, job.uid});
    plan(now_ + std::max(model_->kill_wait, job.ask.grace), Do::kill, job.uid);
}

void Engine::finish(Uid uid, int status, bool begun) {
    auto* job = job_of(uid);
    if (job == nullptr || (job->phase != Phase::running && job->phase != Phase::stopping)) {
        return;
    }
    job->exit_status = status;
    end(*job, job->phase == Phase::stopping ? job->stopping_as
              : !begun                      ? End::start_failed
              : status == 0                 ? End::completed
                                            : End::failed);
    settle();
}

void Engine::end(Job& job, End as) {
    if (job.phase == Phase::waiting) {
        --counts_.waiting;
        lines_[static_cast<std::size_t>(job.ask.queue)].erase(place_of(job));
    }
    vacate(job);
    job.phase = Phase::ended;
    job.end = as;
    job.ended = now_;
    job.why = Why::none;
    unsettled_ = true;
    ++summary_.ended[static_cast<std::size_t>(as)];
    note(Entry::What::ended, &job, -1, static_cast<int>(as));
    if (!job.is_ours()) {
        gone_.push_back(job.uid);
        return;
    }
    orders_.push_back({Order::Kind::over, job.uid});
    plan(now_ + model_->keeps_ended, Do::purge, job.uid);
}

void Engine::vacate(Job& job) {
    if (job.nodes.empty() || job.phase == Phase::waiting) {
        return;
    }
    by_end_.erase({job.free_by, job.uid});
    counts_.cores_used -= std::int64_t{job.ask.cores} * job.ask.nodes;
    for (std::size_t i = 0; i < job.nodes.size(); ++i) {
        const int node = job.nodes[i];
        room_.give(node, job.share());
        auto& now = nodes_[static_cast<std::size_t>(node)];
        now.gpus_taken &= ~job.gpus[i];
        std::erase(now.jobs, job.uid);
    }
}

// What was purged in the middle of an event is let go after it.
void Engine::drop(Job& job) {
    const auto known = by_number_.find(job.number);
    if (known != by_number_.end() && known->second == job.uid) {
        by_number_.erase(known);
    }
    gone_.push_back(job.uid);
}

}  // namespace sust::cluster::simulated
