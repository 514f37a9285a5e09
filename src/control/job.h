#pragma once

// A job as its user sees it: one request, carried through as many attempts as it takes. What one
// attempt is to a back end is cluster::JobStatus.

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/node.h"
#include "cluster/request.h"
#include "control/job_artifacts.h"

namespace sust::control {

using core::Result;

// planned: to be given to its back end; pausing: before another attempt; publishing: its command
// has completed, and its outputs go to the store.
enum class JobPhase { planned, active, pausing, publishing, ended };
std::string_view to_string(JobPhase phase);
std::optional<JobPhase> parse_job_phase(std::string_view text);

// An attempt that has ended.
struct Attempt {
    std::int64_t epoch = 0;
    cluster::End end = cluster::End::vanished;
    std::string reason;
    std::optional<int> exit_status;
    std::vector<std::string> nodes;
    core::WallTime started{};
    core::WallTime finished{};
};

struct Job {
    std::string id;  // its submit token
    cluster::JobRequest request;
    cluster::Placement placement;
    JobArtifacts artifacts;
    JobPhase phase = JobPhase::planned;
    std::int64_t epoch = 1;  // of the attempt that is wanted
    int retries = 0;         // used of request.retry.count
    bool cancel_wanted = false;
    std::vector<Attempt> attempts;  // oldest first
    std::string trouble;            // why it stands where it stands, if not as it should
    core::WallTime created{};
    core::WallTime finished{};
    core::WallTime next_try{};  // while pausing
    // Of the newest attempt, as last told; not kept.
    cluster::JobStatus status;
};

// How the job as a whole ended; nothing before. One whose outputs could not be published has
// failed, although its command completed.
std::optional<cluster::End> end_of(const Job& job);
// The time that its attempts have run, without the newest if that has not ended.
core::Duration time_used(const Job& job);
// Those to keep off: of an attempt that was lost or did not start its node; of one on several,
// those that `known`, the back end's last listing, says are of no use. One bad node of many would
// take its neighbours with it, and where all are kept off, the job has nowhere to go.
std::vector<std::string> bad_nodes(const Job& job, const std::vector<cluster::Node>& known);

void to_json(nlohmann::json& json, const Job& job);
// What is kept of its course, as JSON.
std::string encode_course(const Job& job);
Result<void> decode_course(std::string_view text, Job& job);

}  // namespace sust::control
