#pragma once

// What happens in a simulated site, what happened, and what that came to.

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "cluster/simulated/state.h"

namespace sust::cluster::simulated {

// One line of the event log.
struct Entry {
    enum class What {
        submitted,
        allocated,
        begun,
        stopping,
        ended,
        forgotten,
        node_lost,
        node_back,
        drained,
        resumed,
        held,
        released,
        outage,
        outage_over,
        restarted,
        slow,
        maintenance,
        maintenance_over
    };
    std::uint64_t sequence = 0;
    Time at{};
    What what = What::submitted;
    int job = 0;     // its number; 0: none
    int node = -1;   // -1: none
    int detail = 0;  // of ended the End, of allocated the count of nodes
    bool operator==(const Entry&) const = default;
};
std::string_view to_string(Entry::What what);
constexpr std::size_t k_entries_max = 100'000;  // kept; older ones are counted only

struct EventLog {
    std::deque<Entry> entries{};
    std::uint64_t count = 0;
    std::uint64_t digest = 0xcbf29ce484222325;  // of all entries that ever were (FNV-1a)

    void add(Entry entry);
};

// What is going to happen.
enum class Do {
    load,
    eligible,
    begin,
    finish,
    limit,
    kill,
    purge,
    backfill,
    mishap,
    node_back,
    lose_some_node,
    outage,
    outage_over,
    preempt_some,
    maintain,
    maintained
};
struct Planned {
    Time at{};
    std::uint64_t sequence = 0;
    Do what = Do::load;
    Uid job = 0;
    int index = 0;
    bool operator>(const Planned& other) const {
        return at != other.at ? at > other.at : sequence > other.sequence;
    }
};

// Where a job stands in its queue.
struct Place {
    int priority = 0;
    Uid job = 0;
    bool operator<(const Place& other) const {
        return priority != other.priority ? priority > other.priority : job < other.job;
    }
};

// What a job could have, and when, if `from` ended.
struct Gathered {
    bool enough = false;
    Time by{};
    std::vector<int> nodes{};
    std::vector<Uid> from{};
};

struct Forecast {
    std::optional<Time> start{};
    std::vector<std::string> nodes{};
    std::string why{};
};

// For planning: what became of everything so far.
struct Summary {
    std::uint64_t submitted = 0;
    std::uint64_t started = 0;
    std::array<std::uint64_t, 9> ended{};  // by End
    Duration waited{};                     // all of them together
    Duration waited_most{};
    double core_ms_used = 0;
    double core_ms_there = 0;  // of nodes that were not down
};

// As it is now.
struct Counts {
    std::size_t waiting = 0;
    std::size_t nodes_down = 0;
    std::int64_t cores_used = 0;
    std::int64_t cores_there = 0;
};

}  // namespace sust::cluster::simulated
