#pragma once

// What a simulated site and its users say to each other: docs/protocol/simulate.md. Both sides use
// this file, and neither trusts what it reads.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/scheduler.h"
#include "cluster/simulated/events.h"
#include "core/process.h"

namespace sust::cluster::simulated {

// One attempt of a job, as it is submitted.
struct Submission {
    Token token;
    std::int64_t epoch = 1;
    int nodes = 1;
    int cores = 1;  // these three of each node
    std::uint64_t memory_bytes = 0;
    Gpus gpus;
    std::string partition;  // empty: the default one
    std::string account;
    int priority = 0;
    Duration limit{};
    Duration grace{};
    std::vector<std::string> exclude_nodes;
    // With one the job is played and not run; so is every job of a site that plays.
    std::optional<Duration> duration;
    std::optional<int> exit_status;
    Path directory;  // jobs/<token>, where the wrapper finds job.json
    Path agent;
    core::Environment base;  // of the wrapper
};
std::string to_text(const Submission& submission);
// Unknown keys, wrong types and values out of range are invalid, with their place.
Result<Submission> read_submission(std::string_view text);
// What the site makes of it; invalid: it could never run there.
Result<Ask> ask_of(const Submission& submission, const Model& model);

struct JobRow {
    int id = 0;
    Token token;
    std::int64_t epoch = 0;
    Phase phase = Phase::waiting;
    std::optional<End> end;
    std::string reason;
    std::vector<std::string> nodes;
};
std::string jobs_text(const std::vector<const Job*>& jobs, const Model& model);
// invalid where it is no list of jobs.
Result<std::vector<JobRow>> read_jobs(std::string_view text);

struct PartitionRow {
    std::string name;
    bool is_default = false;
    std::optional<Duration> longest;
    int nodes = 0;
    int cores = 0;  // these three of its largest node
    std::uint64_t memory_bytes = 0;
    Gpus gpus;
};
struct SiteView {
    std::string name;
    Pace pace = Pace::real;
    bool plays = false;  // every job
    std::vector<PartitionRow> partitions;
    std::vector<Node> nodes;
};
SiteView view_of(const Model& model, std::vector<Node> nodes);
std::string to_text(const SiteView& view);
Result<SiteView> read_site_view(std::string_view text);

// `start`: the forecast's, by the calendar.
std::string forecast_text(const Forecast& forecast, std::optional<core::WallTime> start);
Result<Outlook> read_forecast(std::string_view text);

// {"id": 17}
std::string id_text(int id);
Result<int> read_id(std::string_view text);

}  // namespace sust::cluster::simulated
