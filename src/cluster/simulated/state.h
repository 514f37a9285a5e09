#pragma once

// What a simulated site knows of its jobs, and what it tells.

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "cluster/simulated/room.h"

namespace sust::cluster::simulated {

// Never given twice; numbers, which users see, may be.
using Uid = std::uint64_t;

// A job as it is submitted. Whoever makes one has checked it against the model.
struct Ask {
    Token token;  // empty: somebody else's, of a load
    std::int64_t epoch = 0;
    int queue = 0;
    std::string account;
    int nodes = 1;
    int cores = 1;  // these three of each node
    std::int64_t memory = 0;
    Gpus gpus;
    int priority = 0;
    Duration limit{};  // of the site's time
    std::vector<int> excluded;
    bool is_command = false;           // otherwise it is played:
    std::optional<Duration> duration;  // nothing: what the model says
    std::optional<int> exit_status;
};

enum class Phase { waiting, starting, running, stopping, ended };
std::string_view to_string(Phase phase);
enum class Why { none, wait, priority, resources, nodes_away, site_away };
std::string_view to_string(Why why);

struct Job {
    Uid uid = 0;
    int number = 0;
    Ask ask;
    Phase phase = Phase::waiting;
    Why why = Why::none;
    std::optional<End> end;
    int exit_status = 0;
    Time submitted{}, allocated{}, begun{}, ended{};
    Time free_by{};  // when its nodes are free at the latest, as far as the site knows
    bool eligible = false;
    bool forgotten = false;
    bool doomed = false;               // its nodes cannot start it
    End stopping_as = End::cancelled;  // once it is stopping
    std::vector<int> nodes{};
    std::vector<std::uint64_t> gpus{};      // of each node, a bit of each device
    std::vector<Uid> makes_room{};          // jobs that are being preempted for it
    std::uint64_t blocked_until_gains = 0;  // of the room; before that it cannot fit

    bool is_ours() const { return !ask.token.value.empty(); }
    Share share() const {
        return {.cores = ask.cores, .gpus = ask.gpus.count, .memory = ask.memory};
    }
};

struct NodeNow {
    bool down = false;
    bool maintained = false;
    std::optional<std::string> held;     // by sust, with its reason
    std::optional<std::string> drained;  // by somebody else
    std::uint64_t gpus_taken = 0;
    std::vector<Uid> jobs{};
};

// What the world outside has to do, or to write, in this order.
struct Order {
    enum class Kind { begin, stop, kill, over };
    Kind kind = Kind::begin;
    Uid job = 0;
};

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
struct Event {
    Time at{};
    std::uint64_t sequence = 0;
    Do what = Do::load;
    Uid job = 0;
    int index = 0;
    bool operator>(const Event& other) const {
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

}  // namespace sust::cluster::simulated
