#pragma once

// What a simulated site is: everything of SITE.toml, checked and with its defaults. Times count
// from the start of the site; names of nodes have become numbers.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/job.h"

namespace sust::cluster::simulated {

using Time = Duration;  // of the site, from its start

// How long something takes: `least` and an exponential part, `mean` on the average, never more
// than `most`. All three the same: always that.
struct Spread {
    Duration least{};
    Duration mean{};
    Duration most{};
    bool operator==(const Spread&) const = default;
};

enum class Pace { real, scaled, manual };
std::string_view to_string(Pace pace);

// Nodes of one kind; their numbers are first, first + 1, ...
struct Group {
    std::string name;
    int first = 0;
    int count = 0;
    int cores = 1;
    std::uint64_t memory_bytes = 0;
    Gpus gpus;
};

struct Queue {  // a partition
    std::string name;
    bool is_default = false;
    std::uint64_t groups = 0;  // a bit of each group that it has
    std::optional<Duration> longest;
    int priority = 0;                   // its jobs come before those of partitions with less
    bool preemptible = false;           // its jobs make room for jobs of such partitions
    std::vector<std::string> accounts;  // that may use it; empty: every one
    Spread wait;                        // before a job may be considered at all
    Spread start;                       // between having its nodes and beginning on them
};

// Jobs of other people.
struct Load {
    int queue = 0;
    int group = 0;  // whose nodes it counts in
    std::string account;
    Time at{};
    Time until = Time::max();
    int count = 0;     // at once, and then none
    Duration every{};  // or one so often on the average
    int least_nodes = 1, most_nodes = 1;
    int cores = 0;  // of each node; 0: all
    int gpus = 0;
    Spread duration;
    Duration limit{};
    double failed = 0;  // the share that fails
    int priority = 0;
};

struct Mishap {
    enum class Kind { lose_nodes, outage, restart, forget, slow_start, preempt, drain, resume };
    enum class How { refuses, hangs };
    Time at{};
    Kind kind = Kind::outage;
    std::vector<int> nodes;  // lose_nodes, drain, resume
    Duration lasts{};        // lose_nodes, outage, slow_start; of lose_nodes 0: for good
    How how = How::refuses;  // outage
    Duration lost{};         // restart: the submissions of so long before are forgotten
    Duration by{};           // slow_start: so much later
    std::string job;         // forget, preempt: its token; empty: `count` by lot
    int count = 1;
    std::string reason;  // drain
};
std::string_view to_string(Mishap::Kind kind);

// What fails by itself; 0 or nothing: never.
struct Rates {
    Duration node_lost_every{};  // of one node, on the average
    Spread node_lost_for;
    Duration outage_every{};
    Spread outage_for;
    Mishap::How outage_how = Mishap::How::refuses;
    Duration preempt_every{};  // some job of a preemptible partition
    double forget = 0;         // the share of jobs that the site forgets when they begin
    double start_failed = 0;   // the share that its nodes cannot start
};

struct Maintenance {
    std::vector<int> nodes;
    Time at{};
    Duration lasts{};
    Duration every{};  // 0: once
    std::string reason;
};

struct Model {
    std::string name = "simulated";
    std::uint64_t seed = 1;
    Pace pace = Pace::real;
    double factor = 1;          // site time passes so many times as fast
    bool runs_commands = true;  // or plays them
    Duration keeps_ended{};     // how long a job that ended is listed
    Duration backfill_interval{};
    int backfill_depth = 0;  // jobs that a pass looks at
    Duration kill_wait{};    // between the polite signal and the other
    Spread duration;         // of played jobs that say none
    double failed = 0;
    std::vector<std::string> nodes;  // names by number
    std::map<std::string, int, std::less<>> numbers;
    std::vector<Group> groups;
    std::vector<Queue> queues;
    std::map<std::string, int, std::less<>> accounts;  // and what is added to their jobs' priority
    std::vector<Load> loads;
    std::vector<Mishap> script;
    Rates rates;
    std::vector<Maintenance> maintenance;
    std::vector<Mishap> drained;  // from the start

    const Group& group_of(int node) const;
    // -1: none of that name. An empty name is the default partition.
    int queue_named(std::string_view wanted) const;
    int node_named(std::string_view wanted) const;
};

}  // namespace sust::cluster::simulated
