#pragma once

// What is free on the nodes of a site, and the first nodes that have enough of it, in the logarithm
// of how many there are.

#include <cstdint>
#include <vector>

#include "cluster/simulated/model.h"

namespace sust::cluster::simulated {

// Of one node. As a need: it must stay free for us until `until`.
struct Share {
    std::int64_t cores = 0;
    std::int64_t gpus = 0;
    std::int64_t memory = 0;
    Time until = Time::min();
    bool operator==(const Share&) const = default;
};

// Whether `there` has all that `need` wants.
inline bool covers(const Share& there, const Share& need) {
    return there.cores >= need.cores && there.gpus >= need.gpus && there.memory >= need.memory &&
           there.until >= need.until;
}

class Room {
  public:
    explicit Room(const Model& model);

    // Adds the first nodes from `from`, before `end`, to `found`, until there are `most` in all;
    // those of `without`, which is in order, are left out.
    void find(int from, int end, const Share& need, const std::vector<int>& without,
              std::size_t most, std::vector<int>& found) const;
    bool fits(int node, const Share& need) const;
    const Share& free(int node) const { return free_[static_cast<std::size_t>(node)]; }
    bool is_closed(int node) const { return closed_[static_cast<std::size_t>(node)]; }

    void take(int node, const Share& share);
    void give(int node, const Share& share);
    // A closed node has room for nobody; what runs there is its own.
    void close(int node, bool closed);
    // Nobody may stay longer.
    void keep_from(int node, Time until);
    // Grows whenever a node may have room for something that it had none for before.
    std::uint64_t gains() const { return gains_; }

  private:
    void lift(int node);
    struct Search;
    void find_below(std::size_t at, std::size_t low, std::size_t high, const Search& search) const;

    std::vector<Share> free_;
    std::vector<bool> closed_;
    std::vector<Share> tree_;  // the most of each below; leaves from leaves_ on
    std::size_t leaves_ = 1;
    std::uint64_t gains_ = 0;
};

}  // namespace sust::cluster::simulated
