#pragma once

// What a simulated site knows of its jobs and nodes, and what it orders.

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
    Duration limit{};  // these two of the site's time
    Duration grace{};  // between the polite signal and the other, if longer than the site's own
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
    bool has_begun = false;
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

}  // namespace sust::cluster::simulated
