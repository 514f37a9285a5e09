// What is seen of the engine: words for its states, its jobs, its nodes, and what would become of
// a further job.

#include <algorithm>

#include <fmt/format.h>

#include "cluster/simulated/engine.h"

namespace sust::cluster::simulated {

namespace {

constexpr std::array<std::string_view, 5> k_phases = {"waiting", "starting", "running", "stopping",
                                                      "ended"};
constexpr std::array<std::string_view, 6> k_whys = {"",
                                                    "the queue's own wait",
                                                    "jobs before it",
                                                    "no free nodes",
                                                    "its nodes are away",
                                                    "the site is away"};
constexpr std::array<std::string_view, 18> k_whats = {
    "submitted", "allocated", "begun",     "stopping", "ended",       "forgotten",
    "node lost", "node back", "drained",   "resumed",  "held",        "released",
    "outage",    "back",      "restarted", "slow",     "maintenance", "maintenance over"};
constexpr std::array<std::string_view, 8> k_faults = {"lose_nodes", "outage",  "restart", "forget",
                                                      "slow_start", "preempt", "drain",   "resume"};
constexpr std::array<std::string_view, 3> k_paces = {"real", "scaled", "manual"};

// A look ahead ends somewhere.
constexpr std::size_t k_events_ahead = 100'000;
constexpr Duration k_ahead = std::chrono::hours(24 * 90);

}  // namespace

std::string_view to_string(Phase phase) {
    return k_phases[static_cast<std::size_t>(phase)];
}
std::string_view to_string(Why why) {
    return k_whys[static_cast<std::size_t>(why)];
}
std::string_view to_string(Entry::What what) {
    return k_whats[static_cast<std::size_t>(what)];
}
std::string_view to_string(Mishap::Kind kind) {
    return k_faults[static_cast<std::size_t>(kind)];
}
std::string_view to_string(Pace pace) {
    return k_paces[static_cast<std::size_t>(pace)];
}

const Group& Model::group_of(int node) const {
    const auto after = std::upper_bound(groups.begin(), groups.end(), node,
                                        [](int n, const Group& group) { return n < group.first; });
    return *std::prev(after);
}

int Model::queue_named(std::string_view wanted) const {
    const auto found = std::find_if(queues.begin(), queues.end(), [&](const Queue& queue) {
        return wanted.empty() ? queue.is_default : queue.name == wanted;
    });
    return found == queues.end() ? -1 : static_cast<int>(found - queues.begin());
}

int Model::node_named(std::string_view wanted) const {
    const auto found = numbers.find(wanted);
    return found == numbers.end() ? -1 : found->second;
}

const Job* Engine::numbered(int number) const {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : find(found->second);
}

std::vector<const Job*> Engine::listed() const {
    std::vector<const Job*> jobs;
    for (const auto& [number, uid] : by_number_) {
        jobs.push_back(find(uid));
    }
    return jobs;
}

std::vector<const Job*> Engine::ours() const {
    std::vector<const Job*> jobs;
    for (const auto& [uid, job] : jobs_) {
        if (job.is_ours()) {
            jobs.push_back(&job);
        }
    }
    std::sort(jobs.begin(), jobs.end(),
              [](const Job* one, const Job* other) { return one->uid < other->uid; });
    return jobs;
}

std::vector<Node> Engine::nodes() const {
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const auto& now = nodes_[i];
        const auto& group = model_->group_of(static_cast<int>(i));
        Node node{.name = model_->nodes[i],
                  .cores = group.cores,
                  .memory_bytes = group.memory_bytes,
                  .gpus = group.gpus,
                  .held = now.held.has_value(),
                  .hold_reason = now.held.value_or("")};
        for (const auto& queue : model_->queues) {
            if ((queue.groups >> static_cast<std::size_t>(&group - model_->groups.data()) & 1) !=
                0) {
                node.partitions.push_back(queue.name);
            }
        }
        const bool closed = now.held || now.drained || now.maintained;
        node.state = now.down           ? NodeState::down
                     : now.jobs.empty() ? (closed ? NodeState::drained : NodeState::idle)
                                        : (closed ? NodeState::draining : NodeState::busy);
        node.reason = now.drained ? *now.drained
                      : now.down  ? "it does not answer"
                                  : (now.maintained ? "maintenance" : "");
        nodes.push_back(std::move(node));
    }
    return nodes;
}

// --- Looking ahead ---------------------------------------------------------------------------

// What is sure: jobs end at their limits, windows of maintenance come, nothing else happens.
void Engine::make_certain() {
    certain_ = true;
    log_.entries.clear();
    const auto planned = std::exchange(events_, {});
    for (auto left = planned; !left.empty(); left.pop()) {
        const auto& event = left.top();
        if (event.what == Do::maintain || event.what == Do::maintained ||
            event.what == Do::outage_over || event.what == Do::backfill ||
            event.what == Do::eligible) {
            events_.push(event);
        }
    }
    for (auto& [uid, job] : jobs_) {
        job.ask.is_command = false;
        job.ask.exit_status = 0;
        job.ask.duration = job.ask.limit;
        if (job.phase == Phase::starting || job.phase == Phase::running ||
            job.phase == Phase::stopping) {
            job.phase = Phase::running;
            plan(job.free_by, Do::finish, uid);
        }
    }
}

Forecast Engine::outlook(const Ask& ask) const {
    auto ahead = *this;
    ahead.make_certain();
    auto probe = ask;
    probe.is_command = false;
    probe.duration = probe.limit;
    const auto before = counts_.waiting;
    const auto uid = ahead.next_uid();
    ahead.submit(std::move(probe));
    for (std::size_t i = 0; i < k_events_ahead; ++i) {
        const auto* job = ahead.find(uid);
        if (job == nullptr) {
            break;
        }
        if (job->phase != Phase::waiting) {
            Forecast forecast{.start = job->allocated};
            for (const int node : job->nodes) {
                forecast.nodes.push_back(model_->nodes[static_cast<std::size_t>(node)]);
            }
            forecast.why =
                job->allocated == now_
                    ? "there is room now"
                    : fmt::format("{} jobs wait, if every job runs to its limit", before);
            return forecast;
        }
        if (ahead.next() > now_ + k_ahead) {
            break;
        }
        (void)ahead.advance(ahead.next(), 1);
    }
    return {.why = "no start within 90 days: nodes are held, down or taken by what does not end"};
}

}  // namespace sust::cluster::simulated
