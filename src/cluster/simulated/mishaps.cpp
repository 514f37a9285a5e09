// What happens to a site: nodes that are lost, held and maintained, a controller that is away or
// forgets, and the work of other people.

#include <algorithm>

#include "cluster/simulated/engine.h"

namespace sust::cluster::simulated {

namespace {

constexpr std::size_t k_jobs_max = 200'000;  // beyond it a load brings no further ones
constexpr int k_draws = 16;                  // for a node that is up

}  // namespace

std::optional<Mishap::How> Engine::away() const {
    return now_ < away_until_ ? std::optional(away_how_) : std::nullopt;
}

void Engine::plan_faults() {
    for (std::size_t i = 0; i < model_->loads.size(); ++i) {
        plan(model_->loads[i].at, Do::load, 0, static_cast<int>(i));
    }
    for (std::size_t i = 0; i < model_->script.size(); ++i) {
        plan(model_->script[i].at, Do::mishap, 0, static_cast<int>(i));
    }
    for (std::size_t i = 0; i < model_->maintenance.size(); ++i) {
        plan(model_->maintenance[i].at, Do::maintain, 0, static_cast<int>(i));
        for (const int node : model_->maintenance[i].nodes) {
            keep_for_maintenance(node);
        }
    }
    for (const auto& mishap : model_->drained) {
        inject(mishap);
    }
    plan_next(Do::lose_some_node);
    plan_next(Do::outage);
    plan_next(Do::preempt_some);
}

// --- By itself -------------------------------------------------------------------------------

void Engine::plan_next(Do what) {
    const auto& rates = model_->rates;
    auto mean = what == Do::outage         ? rates.outage_every
                : what == Do::preempt_some ? rates.preempt_every
                                           : rates.node_lost_every;
    if (what == Do::lose_some_node) {
        mean /= static_cast<Duration::rep>(std::max<std::size_t>(nodes_.size(), 1));
        mean = rates.node_lost_every > Duration::zero() ? std::max(mean, Duration(1)) : mean;
    }
    if (mean > Duration::zero()) {
        plan(now_ + random_.exponential(mean), what);
    }
}

void Engine::fail_by_itself(Do what) {
    switch (what) {
        case Do::outage:
            go_away(random_.of(model_->rates.outage_for), model_->rates.outage_how);
            break;
        case Do::preempt_some:
            preempt_some(1);
            break;
        default:
            lose_some_node();
    }
    plan_next(what);
}

void Engine::lose_some_node() {
    for (int draw = 0; draw < k_draws; ++draw) {
        const auto node = static_cast<int>(random_.below(nodes_.size()));
        if (!nodes_[static_cast<std::size_t>(node)].down) {
            return lose(node, random_.of(model_->rates.node_lost_for));
        }
    }
}

// A running job of a partition whose jobs make room, by lot.
void Engine::preempt_some(int count) {
    std::vector<Uid> could;
    for (const auto& [by, uid] : by_end_) {
        const auto* job = find(uid);
        if (job->phase == Phase::running &&
            model_->queues[static_cast<std::size_t>(job->ask.queue)].preemptible) {
            could.push_back(uid);
        }
    }
    for (; count > 0 && !could.empty(); --count) {
        const auto at = static_cast<std::ptrdiff_t>(random_.below(could.size()));
        stop(jobs_.at(could[static_cast<std::size_t>(at)]), End::preempted);
        could.erase(could.begin() + at);
    }
}

void Engine::arrive(int index) {
    const auto& load = model_->loads[static_cast<std::size_t>(index)];
    for (int i = 0; i < std::max(load.count, 1) && jobs_.size() < k_jobs_max; ++i) {
        const auto& group = model_->groups[static_cast<std::size_t>(load.group)];
        Ask ask{.queue = load.queue,
                .account = load.account,
                .nodes = random_.between(load.least_nodes, load.most_nodes),
                .cores = load.cores > 0 ? load.cores : group.cores,
                .priority = load.priority,
                .limit = load.limit,
                .duration = random_.of(load.duration),
                .exit_status = random_.happens(load.failed) ? 1 : 0};
        ask.gpus.count = load.gpus;
        take(std::move(ask));
    }
    unsettled_ = true;
    const auto next = now_ + random_.exponential(load.every);
    if (load.every > Duration::zero() && next <= load.until) {
        plan(next, Do::load, 0, index);
    }
}

// --- By order --------------------------------------------------------------------------------

void Engine::inject(const Mishap& mishap) {
    switch (mishap.kind) {
        case Mishap::Kind::lose_nodes:
            for (const int node : mishap.nodes) {
                lose(node, mishap.lasts);
            }
            break;
        case Mishap::Kind::outage:
            go_away(mishap.lasts, mishap.how);
            break;
        case Mishap::Kind::restart:
            restart(mishap.lost);
            break;
        case Mishap::Kind::slow_start:
            slow_until_ = now_ + mishap.lasts;
            slow_by_ = mishap.by;
            note(Entry::What::slow);
            break;
        case Mishap::Kind::forget:
        case Mishap::Kind::preempt:
            pick_on(mishap);
            break;
        case Mishap::Kind::drain:
        case Mishap::Kind::resume:
            for (const int node : mishap.nodes) {
                drain(node, mishap.kind == Mishap::Kind::drain ? std::optional(mishap.reason)
                                                               : std::nullopt);
            }
    }
    settle();
}

// Of a job that is named by its token, or of some.
void Engine::pick_on(const Mishap& mishap) {
    std::vector<Uid> meant;
    for (const auto& [number, uid] : by_number_) {
        const auto& job = jobs_.at(uid);
        const bool named = mishap.job.empty() || job.ask.token.value == mishap.job;
        if (named && job.phase != Phase::ended &&
            (mishap.kind == Mishap::Kind::forget || job.phase == Phase::running)) {
            meant.push_back(uid);
        }
    }
    for (int left = mishap.count; left > 0 && !meant.empty(); --left) {
        const auto at = static_cast<std::ptrdiff_t>(random_.below(meant.size()));
        auto& job = jobs_.at(meant[static_cast<std::size_t>(at)]);
        if (mishap.kind == Mishap::Kind::forget) {
            forget(job);
        } else {
            stop(job, End::preempted);
        }
        meant.erase(meant.begin() + at);
    }
}

void Engine::go_away(Duration lasts, Mishap::How how) {
    note(Entry::What::outage);
    away_until_ = std::max(away_until_, now_ + lasts);
    away_how_ = how;
    plan(away_until_, Do::outage_over);
}

void Engine::come_back() {
    if (!away()) {
        note(Entry::What::outage_over);
        unsettled_ = true;
    }
}

// What waits will never run; what runs goes on, and nobody lists it.
void Engine::forget(Job& job) {
    note(Entry::What::forgotten, &job);
    job.forgotten = true;
    if (job.phase == Phase::waiting) {
        lines_[static_cast<std::size_t>(job.ask.queue)].erase(place_of(job));
        job.phase = Phase::ended;
        --counts_.waiting;
        drop(job);
    } else {
        by_number_.erase(job.number);
    }
}

// The controller comes back with an older state: what it was told since is forgotten, and the
// numbers of that time are given away again.
void Engine::restart(Duration lost) {
    note(Entry::What::restarted);
    std::vector<Uid> late;
    for (const auto& [number, uid] : by_number_) {
        if (jobs_.at(uid).submitted > now_ - lost) {
            late.push_back(uid);
        }
    }
    for (const auto uid : late) {
        auto& job = jobs_.at(uid);
        last_number_ = std::min(last_number_, job.number - 1);
        forget(job);
    }
    unsettled_ = true;
}

// --- Nodes -----------------------------------------------------------------------------------

void Engine::lose(int node, Duration lasts) {
    auto& now = nodes_[static_cast<std::size_t>(node)];
    if (now.down) {
        return;
    }
    now.down = true;
    ++counts_.nodes_down;
    counts_.cores_there -= model_->group_of(node).cores;
    reopen(node);
    note(Entry::What::node_lost, nullptr, node);
    for (const auto uid : std::vector<Uid>(now.jobs)) {
        auto& job = jobs_.at(uid);
        if (job.ask.is_command && job.phase != Phase::starting) {
            orders_.push_back({Order::Kind::kill, uid});
        }
        end(job, End::node_lost);
    }
    if (lasts > Duration::zero()) {
        plan(now_ + lasts, Do::node_back, 0, node);
    }
}

void Engine::bring_back(int node) {
    auto& now = nodes_[static_cast<std::size_t>(node)];
    if (now.down) {
        now.down = false;
        --counts_.nodes_down;
        counts_.cores_there += model_->group_of(node).cores;
        note(Entry::What::node_back, nullptr, node);
        reopen(node);
    }
}

void Engine::reopen(int node) {
    const auto& now = nodes_[static_cast<std::size_t>(node)];
    room_.close(node, now.down || now.maintained || now.held || now.drained);
    unsettled_ = true;
}

void Engine::hold(int node, std::string reason) {
    nodes_[static_cast<std::size_t>(node)].held = std::move(reason);
    note(Entry::What::held, nullptr, node);
    reopen(node);
    settle();
}

void Engine::release(int node) {
    nodes_[static_cast<std::size_t>(node)].held.reset();
    note(Entry::What::released, nullptr, node);
    reopen(node);
    settle();
}

void Engine::drain(int node, std::optional<std::string> reason) {
    note(reason ? Entry::What::drained : Entry::What::resumed, nullptr, node);
    nodes_[static_cast<std::size_t>(node)].drained = std::move(reason);
    if (!nodes_[static_cast<std::size_t>(node)].drained) {
        bring_back(node);  // who resumes a node says that it is well
    }
    reopen(node);
}

void Engine::set_maintained(int index, bool maintained) {
    const auto& window = model_->maintenance[static_cast<std::size_t>(index)];
    note(maintained ? Entry::What::maintenance : Entry::What::maintenance_over, nullptr,
         window.nodes.front(), static_cast<int>(window.nodes.size()));
    for (const int node : window.nodes) {
        nodes_[static_cast<std::size_t>(node)].maintained = maintained;
        keep_for_maintenance(node);
        reopen(node);
    }
    if (maintained) {
        plan(now_ + window.lasts, Do::maintained, 0, index);
        if (window.every > Duration::zero()) {
            plan(now_ + window.every, Do::maintain, 0, index);
        }
    }
}

// No job may be there when its next window begins.
void Engine::keep_for_maintenance(int node) {
    auto next = Time::max();
    for (const auto& window : model_->maintenance) {
        if (!std::binary_search(window.nodes.begin(), window.nodes.end(), node)) {
            continue;
        }
        auto at = window.at;
        if (at < now_ && window.every > Duration::zero()) {
            at += window.every * ((now_ - at + window.every - Duration(1)) / window.every);
        }
        if (at > now_ || (now_ == Time::zero() && at == now_)) {
            next = std::min(next, at);
        }
    }
    room_.keep_from(node, next);
}

}  // namespace sust::cluster::simulated
