#include "cluster/simulated/room.h"

#include <algorithm>

namespace sust::cluster::simulated {

namespace {

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
    return covers(tree_[leaves_ + static_cast<std::size_t>(node)], need);
}

struct Room::Search {
    std::size_t from;
    std::size_t end;
    const Share& need;
    const std::vector<int>& without;
    std::size_t most;
    std::vector<int>& found;
};

void Room::find(int from, int end, const Share& need, const std::vector<int>& without,
                std::size_t most, std::vector<int>& found) const {
    find_below(1, 0, leaves_,
               {.from = static_cast<std::size_t>(from),
                .end = static_cast<std::size_t>(end),
                .need = need,
                .without = without,
                .most = most,
                .found = found});
}

// The tree's maxima may come from different nodes, so that a branch may be looked at in vain.
void Room::find_below(std::size_t at, std::size_t low, std::size_t high,
                      const Search& search) const {
    if (high <= search.from || low >= search.end || search.found.size() >= search.most ||
        !covers(tree_[at], search.need)) {
        return;
    }
    if (high - low == 1) {
        const auto node = static_cast<int>(low);
        if (!std::binary_search(search.without.begin(), search.without.end(), node)) {
            search.found.push_back(node);
        }
        return;
    }
    const auto middle = low + (high - low) / 2;
    find_below(2 * at, low, middle, search);
    find_below(2 * at + 1, middle, high, search);
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
