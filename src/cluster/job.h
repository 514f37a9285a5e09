#pragma once

// A job is (back end, submit token): one submission of one wrapped command. docs/protocol/job.md.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"
#include "core/file.h"
#include "core/process.h"

namespace sust::cluster {

using core::Duration;
using core::Path;
using core::Result;

// Said once by the caller; a name of its own choosing (core::check_name, so at most 63 characters)
// that makes submitting idempotent.
struct Token {
    std::string value;
    auto operator<=>(const Token&) const = default;
};

struct Gpus {
    int count = 0;     // of each node
    std::string type;  // empty: any
    bool operator==(const Gpus&) const = default;
};

// The command is started once per task, all of them or none.
struct Shape {
    int nodes = 1;
    int tasks_per_node = 1;
    int cpus_per_task = 0;           // 0: what others leave of the node, uncounted
    std::uint64_t memory_bytes = 0;  // of each node; 0: what the back end gives
    Gpus gpus;
    bool operator==(const Shape&) const = default;
};

// A file or folder that the command sees at `target`, where the back end starts images itself.
struct Mount {
    Path source;  // on the shared file system
    Path target;
    bool read_only = true;
    bool operator==(const Mount&) const = default;
};

// What one attempt asks of a back end. Concrete: defaults were filled in by the caller.
struct JobSpec {
    Token token;
    std::string name;               // for people
    std::vector<std::string> argv;  // no secrets: argv is visible to every user of a node
    core::Environment environment;  // added to a small fixed base (docs/protocol/job.md)
    Path workdir;                   // empty: the attempt's own directory
    Duration time_limit = std::chrono::hours(24);
    Duration stop_grace = std::chrono::seconds(10);  // between SIGTERM and SIGKILL
    // SIGUSR1 so long before the time limit, for processes that catch it; 0: none.
    Duration notice{};
    Shape shape;
    std::string image;          // an environment's name; empty: the node's own file system
    std::vector<Mount> mounts;  // with an image alone
    // By the name of its folder in `inputs` of the job's directory: where the command sees it. A
    // relative place is linked in the working directory, an absolute one is mounted by others.
    std::map<std::string, Path> inputs;
    std::vector<Path> outputs;  // in the working directory; the folders of these are made before
    int priority = 0;           // k_priority_min .. k_priority_max; higher is sooner
    std::string partition;      // these three in the scheduler's own words; empty: its default
    std::string account;
    std::string queue;
    std::string principal;  // whose identity runs it; empty: that of whoever runs the back end
    std::map<std::string, std::string> labels;
    std::map<std::string, std::string> options;  // passed through to this back end, checked there
    std::vector<std::string> exclude_nodes;
};

// What a further attempt does otherwise than the first.
struct Orders {
    std::vector<std::string> exclude_nodes{};  // besides those of the specification
    std::optional<Duration> time_limit{};      // its own
};

inline constexpr int k_priority_min = -1000;
inline constexpr int k_priority_max = 1000;

// invalid or too_large, naming the field.
Result<void> check_spec(const JobSpec& spec);

// Where a job stands. `planned`: its words are on disk, no scheduler has it; `submitted`: the
// scheduler took it; `unknown`: nobody can say, which is never a failure.
enum class State { planned, submitted, queued, starting, running, stopping, ended, unknown };
std::string_view to_string(State state);
bool is_final(State state);

// How it ended. `vanished`: neither wrapper nor scheduler can say; `start_failed`: the command was
// never begun, or is none that can be executed.
enum class End {
    completed,
    failed,
    cancelled,
    time_limit,
    preempted,
    node_lost,
    out_of_memory,
    start_failed,
    vanished
};
std::string_view to_string(End end);
Result<End> parse_end(std::string_view text);

// Where a state comes from: what the wrapper wrote is believed for completion, the scheduler for
// liveness.
enum class Source { none, scheduler, wrapper };
std::string_view to_string(Source source);

struct JobStatus {
    Token token;
    std::string name;
    State state = State::unknown;
    std::optional<End> end;  // of State::ended alone
    Source source = Source::none;
    core::WallTime observed{};       // age = now - observed
    std::int64_t epoch = 0;          // of the newest attempt, from 1
    std::optional<int> exit_status;  // 128 + signal for signals
    std::string reason;              // for people, when not completed
    core::WallTime started{};
    core::WallTime finished{};
    std::vector<std::string> nodes;  // of the newest attempt, once it runs
};

bool has_ended_with(const JobStatus& status, End end);
// Ended, and not by its command or by a wish: another attempt may well succeed.
bool was_lost(const JobStatus& status);

void to_json(nlohmann::json& json, const JobStatus& status);

}  // namespace sust::cluster
