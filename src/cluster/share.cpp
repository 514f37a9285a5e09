#include "cluster/share.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "core/text.h"

namespace sust::cluster {

using core::MonoTime;

namespace {

bool fits(const Amount& need, const Amount& room) {
    return need.cores <= room.cores && need.memory_bytes <= room.memory_bytes &&
           need.gpus <= room.gpus;
}

// Not below zero: a machine that shrank may have more given than it has.
Amount without(const Amount& one, const Amount& other) {
    return {.cores = std::max(0, one.cores - other.cores),
            .memory_bytes = one.memory_bytes - std::min(one.memory_bytes, other.memory_bytes),
            .gpus = std::max(0, one.gpus - other.gpus)};
}

Amount with(const Amount& one, const Amount& other) {
    return {.cores = one.cores + other.cores,
            .memory_bytes = one.memory_bytes + other.memory_bytes,
            .gpus = one.gpus + other.gpus};
}

Amount amount_of(const Share& share) {
    return {.cores = static_cast<int>(share.cores.size()),
            .memory_bytes = share.memory_bytes,
            .gpus = static_cast<int>(share.gpus.size())};
}

// Before the first in line could start, and what is left beside it then.
struct Reservation {
    MonoTime start = MonoTime::max();
    Amount beside;
    Token whose;
};

struct Running {
    MonoTime until;
    Amount amount;
};

Reservation reserve(const Claim& claim, Amount room, std::vector<Running> running) {
    std::sort(running.begin(), running.end(),
              [](const auto& one, const auto& other) { return one.until < other.until; });
    for (const auto& job : running) {
        room = with(room, job.amount);
        if (fits(claim.need, room)) {
            return {.start = job.until, .beside = without(room, claim.need), .whose = claim.token};
        }
    }
    return {.whose = claim.token};
}

std::string shortage(const Amount& need, const Amount& room, const Amount& total) {
    if (need.cores > room.cores) {
        return fmt::format("waits for {} cores, {} of {} are free", need.cores, room.cores,
                           total.cores);
    }
    if (need.memory_bytes > room.memory_bytes) {
        return fmt::format(
            "waits for {} of memory, {} of {} are free", core::format_size(need.memory_bytes),
            core::format_size(room.memory_bytes), core::format_size(total.memory_bytes));
    }
    return fmt::format("waits for {} GPUs, {} of {} are free", need.gpus, room.gpus, total.gpus);
}

}  // namespace

Amount amount_of(const Shape& shape) {
    return {.cores = shape.cpus_per_task * shape.tasks_per_node,
            .memory_bytes = shape.memory_bytes,
            .gpus = shape.gpus.count};
}

Amount Shares::total() const {
    return {.cores = static_cast<int>(machine_.cores.size()),
            .memory_bytes = machine_.memory_bytes,
            .gpus = static_cast<int>(machine_.gpus.size())};
}

Amount Shares::free() const {
    auto room = total();
    for (const auto& [token, held] : held_) {
        room = without(room, amount_of(held.share));
    }
    return room;
}

// --- Who is next -----------------------------------------------------------------------------

Shares::Plan Shares::make_plan(const Shares& shares, MonoTime now) {
    std::vector<const Claim*> line;
    for (const auto& [token, claim] : shares.line_) {
        line.push_back(&claim);
    }
    std::sort(line.begin(), line.end(), [](const Claim* one, const Claim* other) {
        return std::tuple(-one->priority, one->order, one->token) <
               std::tuple(-other->priority, other->order, other->token);
    });
    std::vector<Running> running;
    for (const auto& [token, held] : shares.held_) {
        running.push_back({std::max(held.until, now), amount_of(held.share)});
    }
    Plan plan;
    auto room = shares.free();
    const auto total = shares.total();
    std::optional<Reservation> first;
    for (const auto* claim : line) {
        const bool ends_before = !first || now + claim->longest <= first->start;
        if (!fits(claim->need, total)) {
            plan.waits[claim->token] = "this machine has not enough for it any more: " +
                                       shortage(claim->need, room, total);
        } else if (!fits(claim->need, room)) {
            plan.waits[claim->token] = shortage(claim->need, room, total);
            first = first ? first : reserve(*claim, room, running);
        } else if (!ends_before && !fits(claim->need, first->beside)) {
            plan.waits[claim->token] = "waits for its turn after " + first->whose.value;
        } else {
            plan.start.insert(claim->token);
            room = without(room, claim->need);
            running.push_back({now + claim->longest, claim->need});
            if (first && !ends_before) {
                first->beside = without(first->beside, claim->need);
            }
        }
    }
    return plan;
}

void Shares::enter(const Claim& claim) {
    if (line_.insert_or_assign(claim.token, claim).second) {
        plan_.reset();
    }
}

std::optional<Share> Shares::ask(const Claim& claim, MonoTime now, std::string& why_not) {
    if (claim.need == Amount{}) {
        return Share{};
    }
    enter(claim);
    if (!doubts_.empty()) {
        why_not = "what job " + doubts_.begin()->value + " has of this machine cannot be read";
        return {};
    }
    if (!plan_) {
        plan_ = make_plan(*this, now);
    }
    if (!plan_->start.contains(claim.token)) {
        why_not = plan_->waits[claim.token];
        return {};
    }
    auto share = take(claim.need);
    plan_->start.erase(claim.token);
    line_.erase(claim.token);
    held_[claim.token] = {share, now + claim.longest};
    return share;
}

std::optional<std::string> Shares::obstacle(const Claim& claim, MonoTime now) const {
    if (claim.need == Amount{}) {
        return {};
    }
    auto copy = *this;
    std::string why_not;
    return copy.ask(claim, now, why_not) ? std::nullopt : std::optional(why_not);
}

// --- What is whose ---------------------------------------------------------------------------

Share Shares::take(const Amount& need) const {
    std::set<int> cores(machine_.cores.begin(), machine_.cores.end());
    std::set<int> gpus(machine_.gpus.begin(), machine_.gpus.end());
    for (const auto& [token, held] : held_) {
        for (const int core : held.share.cores) {
            cores.erase(core);
        }
        for (const int gpu : held.share.gpus) {
            gpus.erase(gpu);
        }
    }
    const auto first = [](const std::set<int>& free, int count) {
        std::vector<int> taken(free.begin(), free.end());
        taken.resize(std::min(taken.size(), static_cast<std::size_t>(count)));
        return taken;
    };
    return {.cores = first(cores, need.cores),
            .memory_bytes = need.memory_bytes,
            .gpus = first(gpus, need.gpus)};
}

void Shares::keep(const Token& token, const Share& share, MonoTime until) {
    held_[token] = {share, until};
    line_.erase(token);
    doubts_.erase(token);
    plan_.reset();
}

void Shares::leave(const Token& token) {
    const auto known = held_.erase(token) + line_.erase(token) + doubts_.erase(token);
    if (known > 0) {
        plan_.reset();
    }
}

}  // namespace sust::cluster
