// The queue of the engine: jobs by priority, those that fit behind one that does not, and room
// made by preemption.

#include <algorithm>

#include "cluster/simulated/engine.h"

namespace sust::cluster::simulated {

namespace {

bool is_excluded(const Job& job, int node) {
    return std::binary_search(job.ask.excluded.begin(), job.ask.excluded.end(), node);
}

}  // namespace

void Engine::settle() {
    // Preemption frees nodes at once where jobs are played; each round ends some of them.
    while (unsettled_ && !away()) {
        unsettled_ = false;
        pass();
    }
    for (const auto uid : std::exchange(gone_, {})) {
        jobs_.erase(uid);
    }
}

// The first of all queues, without those that share nodes with one whose first job waits.
const Engine::Line* Engine::next_line(std::uint64_t blocked) const {
    const Line* best = nullptr;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        if (lines_[i].empty() || (model_->queues[i].groups & blocked) != 0) {
            continue;
        }
        if (best == nullptr || *lines_[i].begin() < *best->begin()) {
            best = &lines_[i];
        }
    }
    return best;
}

void Engine::pass() {
    std::uint64_t blocked = 0;
    heads_.clear();
    while (const auto* line = next_line(blocked)) {
        auto& job = jobs_.at(line->begin()->job);
        const bool is_tried = job.blocked_until_gains <= room_.gains();
        if (!try_start(job)) {
            if (is_tried) {
                make_room(job);
            }
            job.why = Why::resources;
            heads_.push_back(job.uid);
            blocked |= model_->queues[static_cast<std::size_t>(job.ask.queue)].groups;
        }
    }
    if (!heads_.empty() && !backfill_planned_) {
        backfill_planned_ = true;
        plan(now_ + model_->backfill_interval, Do::backfill);
    }
}

// A job that did not fit is not tried again before as many nodes gained room as it lacked.
bool Engine::try_start(Job& job) {
    if (job.blocked_until_gains > room_.gains()) {
        return false;
    }
    const auto wanted = static_cast<std::size_t>(job.ask.nodes);
    if (const auto found = misses_.find(job.ask, need_of(job), room_.gains())) {
        job.blocked_until_gains = room_.gains() + (wanted - *found);
        return false;
    }
    auto nodes = find_nodes(job);
    if (nodes.size() < wanted) {
        job.blocked_until_gains = room_.gains() + (wanted - nodes.size());
        misses_.add(job.ask, need_of(job), nodes.size());
        return false;
    }
    allocate(job, std::move(nodes));
    return true;
}

Share Engine::need_of(const Job& job) const {
    auto need = job.share();
    const auto& queue = model_->queues[static_cast<std::size_t>(job.ask.queue)];
    need.until = now_ + queue.start.most + job.ask.limit;
    return need;
}

bool Engine::suits(const Job& job, const Group& group) const {
    const auto bit = static_cast<std::size_t>(&group - model_->groups.data());
    const auto& queue = model_->queues[static_cast<std::size_t>(job.ask.queue)];
    return (queue.groups >> bit & 1) != 0 &&
           (job.ask.gpus.type.empty() || job.ask.gpus.type == group.gpus.type);
}

bool Engine::is_allowed(const Job& job, int node) const {
    return suits(job, model_->group_of(node)) && !is_excluded(job, node);
}

// As many as it wants, or all that there are.
std::vector<int> Engine::find_nodes(const Job& job) const {
    std::vector<int> nodes;
    const auto need = need_of(job);
    const auto wanted = static_cast<std::size_t>(job.ask.nodes);
    for (const auto& group : model_->groups) {
        if (!suits(job, group)) {
            continue;
        }
        room_.find(group.first, group.first + group.count, need, job.ask.excluded, wanted, nodes);
    }
    return nodes;
}

void Engine::allocate(Job& job, std::vector<int> nodes) {
    lines_[static_cast<std::size_t>(job.ask.queue)].erase(place_of(job));
    const auto& queue = model_->queues[static_cast<std::size_t>(job.ask.queue)];
    auto delay = drawn(queue.start);
    if (now_ < slow_until_) {
        delay += slow_by_;
    }
    job.phase = Phase::starting;
    --counts_.waiting;
    job.why = Why::none;
    job.allocated = now_;
    job.nodes = std::move(nodes);
    job.makes_room.clear();
    job.doomed = !certain_ && random_.happens(model_->rates.start_failed);
    job.free_by = now_ + delay + job.ask.limit;
    for (const int node : job.nodes) {
        room_.take(node, job.share());
        job.gpus.push_back(take_gpus(node, job.ask.gpus.count));
        nodes_[static_cast<std::size_t>(node)].jobs.push_back(job.uid);
    }
    by_end_.insert({job.free_by, job.uid});
    counts_.cores_used += std::int64_t{job.ask.cores} * job.ask.nodes;
    ++summary_.started;
    summary_.waited += now_ - job.submitted;
    summary_.waited_most = std::max(summary_.waited_most, now_ - job.submitted);
    note(Entry::What::allocated, &job, job.nodes.front(), job.ask.nodes);
    plan(now_ + delay, Do::begin, job.uid);
}

std::uint64_t Engine::take_gpus(int node, int count) {
    auto& taken = nodes_[static_cast<std::size_t>(node)].gpus_taken;
    std::uint64_t mine = 0;
    for (int bit = 0; count > 0 && bit < 64; ++bit) {
        const auto device = std::uint64_t{1} << bit;
        if ((taken & device) == 0) {
            mine |= device;
            --count;
        }
    }
    taken |= mine;
    return mine;
}

// --- Behind a job that waits -----------------------------------------------------------------

// What becomes free as one job after the other ends, and what is free now: as little of that as
// possible, because others can use it meanwhile.
Gathered Engine::gather(const Job& job, const std::function<const Job*()>& next) const {
    Gathered got;
    const auto free_now = find_nodes(job);
    const auto wanted = static_cast<std::size_t>(job.ask.nodes);
    const auto lacking = wanted - free_now.size();
    const auto need = need_of(job);
    std::unordered_map<int, Share> freed;
    while (got.nodes.size() < lacking) {
        const auto* other = next();
        if (other == nullptr) {
            return got;
        }
        bool helps = false;
        for (const int node : other->nodes) {
            if (room_.is_closed(node) || room_.fits(node, need) || !is_allowed(job, node)) {
                continue;
            }
            const auto& free = room_.free(node);
            auto& more = freed[node];
            const auto lacks = [&] {
                return free.cores + more.cores < need.cores || free.gpus + more.gpus < need.gpus ||
                       free.memory + more.memory < need.memory || free.until < need.until;
            };
            const bool lacked = lacks();
            more.cores += other->ask.cores;
            more.gpus += other->ask.gpus.count;
            more.memory += other->ask.memory;
            helps = true;
            if (lacked && !lacks() && got.nodes.size() < wanted) {
                got.nodes.push_back(node);
            }
        }
        if (helps) {
            got.by = std::max(got.by, other->free_by);
            got.from.push_back(other->uid);
        }
    }
    got.enough = true;
    got.nodes.insert(got.nodes.end(),
                     free_now.end() - static_cast<std::ptrdiff_t>(wanted - got.nodes.size()),
                     free_now.end());
    return got;
}

// Keeps the nodes that the first of a queue is to have free for it; `kept` is how they were.
void Engine::reserve(const Job& head, std::vector<std::pair<int, Time>>& kept) {
    auto at = by_end_.begin();
    const auto got = gather(
        head, [&]() -> const Job* { return at == by_end_.end() ? nullptr : find((at++)->second); });
    if (!got.enough) {
        return;  // its nodes are away: nobody knows for how long
    }
    for (const int node : got.nodes) {
        const auto until = room_.free(node).until;
        kept.emplace_back(node, until);
        room_.keep_from(node, std::min(until, std::max(got.by, now_)));
    }
}

std::vector<Uid> Engine::candidates() const {
    std::vector<std::pair<Line::const_iterator, const Line*>> heads;
    for (const auto& line : lines_) {
        if (!line.empty()) {
            heads.emplace_back(line.begin(), &line);
        }
    }
    std::vector<Uid> found;
    while (!heads.empty() && found.size() < static_cast<std::size_t>(model_->backfill_depth)) {
        const auto best = std::min_element(
            heads.begin(), heads.end(),
            [](const auto& one, const auto& other) { return *one.first < *other.first; });
        found.push_back(best->first->job);
        if (++best->first == best->second->end()) {
            heads.erase(best);
        }
    }
    return found;
}

void Engine::backfill() {
    if (away()) {
        backfill_planned_ = false;
        unsettled_ = true;
        return;
    }
    pass();  // which plans none while one is under way, or an interval of 0 would never end
    backfill_planned_ = false;
    std::vector<std::pair<int, Time>> kept;
    for (const auto uid : heads_) {
        reserve(jobs_.at(uid), kept);
    }
    for (const auto uid : candidates()) {
        if (std::find(heads_.begin(), heads_.end(), uid) == heads_.end()) {
            (void)try_start(jobs_.at(uid));
        }
    }
    // Backwards: a node may have been kept for two.
    for (auto at = kept.rbegin(); at != kept.rend(); ++at) {
        room_.keep_from(at->first, at->second);
    }
}

// --- Room by preemption ----------------------------------------------------------------------

bool Engine::may_preempt(const Job& job, const Job& other) const {
    const auto& ours = model_->queues[static_cast<std::size_t>(job.ask.queue)];
    const auto& theirs = model_->queues[static_cast<std::size_t>(other.ask.queue)];
    return theirs.preemptible && theirs.priority < ours.priority &&
           (theirs.groups & ours.groups) != 0;
}

void Engine::make_room(Job& job) {
    std::erase_if(job.makes_room, [&](Uid uid) {
        const auto* other = find(uid);
        return other == nullptr || other->phase == Phase::ended;
    });
    const bool possible =
        std::any_of(model_->queues.begin(), model_->queues.end(), [&](const Queue& queue) {
            return queue.preemptible &&
                   queue.priority <
                       model_->queues[static_cast<std::size_t>(job.ask.queue)].priority;
        });
    if (!possible || certain_ || !job.makes_room.empty()) {
        return;
    }
    std::vector<const Job*> others;
    for (const auto& [by, uid] : by_end_) {
        const auto* other = find(uid);
        if (other->phase == Phase::running && may_preempt(job, *other)) {
            others.push_back(other);
        }
    }
    // Who came last goes first.
    std::sort(others.begin(), others.end(), [](const Job* one, const Job* other) {
        return one->begun != other->begun ? one->begun > other->begun : one->uid > other->uid;
    });
    auto at = others.begin();
    const auto got =
        gather(job, [&]() -> const Job* { return at == others.end() ? nullptr : *at++; });
    if (!got.enough) {
        return;
    }
    job.makes_room = got.from;
    for (const auto uid : got.from) {
        stop(jobs_.at(uid), End::preempted);
    }
}

}  // namespace sust::cluster::simulated
