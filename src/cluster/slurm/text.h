#pragma once

// What Slurm's commands print, in formats that we choose (never --json: it differs between
// versions and costs twenty times as much). Untrusted: a line that is none is left out.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/scheduler.h"

namespace sust::cluster::slurm {

// squeue --format: id, state, user, nodes, reason, comment; the comment is ours or nobody's.
inline constexpr std::string_view k_queue_format = "%i|%T|%u|%N|%r|%k";
// sinfo --format: of each node in each partition.
inline constexpr std::string_view k_node_format = "%N|%T|%c|%m|%G|%R|%E";
// sinfo --format: of each partition; the default one has a star.
inline constexpr std::string_view k_partition_format = "%P|%a|%l|%D|%c|%m|%G";

// "sust:<token>/<epoch>", which is how a job of ours is known.
std::string comment_of(const Token& token, std::int64_t epoch);
std::optional<std::pair<Token, std::int64_t>> parse_comment(std::string_view comment);

struct QueueRow {
    std::string id;
    Token token;
    std::int64_t epoch = 0;
    std::string user;    // who may be anybody: a comment is not a proof
    std::string state;   // "PENDING"
    std::string reason;  // "Resources"
    std::vector<std::string> nodes;
};
// Jobs that are not ours are left out.
std::vector<QueueRow> parse_queue(std::string_view text);

// A line of sacct: "7|job-01|alice|CANCELLED by 0".
struct PastRow {
    std::string id;
    std::string name;
    std::string user;
    std::string state;
};
std::vector<PastRow> parse_past(std::string_view text);

struct Partition {
    std::string name;
    bool is_default = false;
    bool up = false;
    std::optional<Duration> longest;  // nothing: no limit
    int nodes = 0;
    int cores = 0;  // of its largest node, likewise below
    std::uint64_t memory_bytes = 0;
    Gpus gpus;
};
std::vector<Partition> parse_partitions(std::string_view text);
// One node of each name, with all its partitions; `prefix` begins the reasons of our own drains.
std::vector<Node> parse_nodes(std::string_view text, std::string_view prefix);

// "1-02:30:00", "30:00", "infinite" (nothing); invalid otherwise.
Result<std::optional<Duration>> parse_time(std::string_view text);
// "gpu:gh200:4(S:0-1),nvme:1" -> 4 of gh200.
Gpus parse_gres(std::string_view text);
// "sbatch: Job 7 to start at 2026-01-01T00:00:00 using 1 processors on nodes n1 in partition p"
std::optional<Outlook> parse_test_only(std::string_view text);

// Whether a waiting job with this reason waits for ever, as things stand.
bool is_hopeless(std::string_view reason);
// How a job ended that is in this state; nothing while it has not.
std::optional<End> end_of(std::string_view state);

}  // namespace sust::cluster::slurm
