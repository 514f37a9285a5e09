#include "cluster/simulated/room.h"

#include <algorithm>

namespace sust::cluster::simulated {

namespace {

bool has(const Share& free, const Share& need) {
    return free.cores >= need.cores && free.gpus >= need.gpus && free.memory >= need.memory &&
           free.until >= need.until;
}

constexpr Share k_nothing{.cores = -1, .gpus = -1, .memory = -1, .until = Time::min()};

Share most_of(const Share& one, const Share& other) {
    return {.cores = std::max(one.cores, other.cores),
            .gpus = std::max(one.gpus, other.gpus),
            .memory = std::max(one.memory, other.memory),
            .until = std::max(one.until, other.until)};
}

}  // namespace

Room::Room(const Model& model) : closed_(model.nodes.size(), false) {
    for (const auto& group : model.groups) {
        free_.insert(free_.end(), static_cast<std::size_t>(group.count),
                     {.cores = group.cores,
                      .gpus = group.gpus.count,
                      .memory = static_cast<std::int64_t>(group.memory_bytes),
                      .until = Time::max()});
    }
    while (leaves_ < free_.size()) {
        leaves_ *= 2;
    }
    tree_.assign(2 * leaves_, k_nothing);
    std::copy(free_.begin(), free_.end(), tree_.begin() + static_cast<std::ptrdiff_t>(leaves_));
    for (auto at = leaves_ - 1; at > 0; --at) {
        tree_[at] = most_of(tree_[2 * at], tree_[2 * at + 1]);
    }
}

bool Room::fits(int node, const Share& need) const {
    return has(tree_[leaves_ + static_cast<std::size_t>(node)], need);
}

int Room::find(int from, int end, const Share& need) const {
    return find_below(1, 0, leaves_, static_cast<std::size_t>(from), static_cast<std::size_t>(end),
                      need);
}

// The tree's maxima may come from different nodes, so that a branch may be looked at in vain.
int Room::find_below(std::size_t at, std::size_t low, std::size_t high, std::size_t from,
                     std::size_t end, const Share& need) const {
    if (high <= from || low >= end || !has(tree_[at], need)) {
        return -1;
    }
    if (high - low == 1) {
        return static_cast<int>(low);
    }
    const auto middle = low + (high - low) / 2;
    const int left = find_below(2 * at, low, middle, from, end, need);
    return left >= 0 ? left : find_below(2 * at + 1, middle, high, from, end, need);
}

void Room::lift(int node) {
    auto at = leaves_ + static_cast<std::size_t>(node);
    tree_[at] = is_closed(node) ? k_nothing : free(node);
    while (at > 1) {
        at /= 2;
        tree_[at] = most_of(tree_[2 * at], tree_[2 * at + 1]);
    }
}

void Room::take(int node, const Share& share) {
    auto& free = free_[static_cast<std::size_t>(node)];
    free.cores -= share.cores;
    free.gpus -= share.gpus;
    free.memory -= share.memory;
    lift(node);
}

void Room::give(int node, const Share& share) {
    auto& free = free_[static_cast<std::size_t>(node)];
    free.cores += share.cores;
    free.gpus += share.gpus;
    free.memory += share.memory;
    ++gains_;
    lift(node);
}

void Room::close(int node, bool closed) {
    gains_ += is_closed(node) && !closed ? 1 : 0;
    closed_[static_cast<std::size_t>(node)] = closed;
    lift(node);
}

void Room::keep_from(int node, Time until) {
    auto& free = free_[static_cast<std::size_t>(node)];
    gains_ += until > free.until ? 1 : 0;
    free.until = until;
    lift(node);
}

}  // namespace sust::cluster::simulated
