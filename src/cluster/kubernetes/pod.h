#pragma once

// A pod of ours as the API server tells it, reduced to what decides about a job, and what its end
// means. Nothing here asks anybody.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/words.h"

namespace sust::cluster::kubernetes {

// Labels and annotations of everything that is ours.
inline constexpr const char* k_managed_by = "app.kubernetes.io/managed-by";
inline constexpr const char* k_controller = "sust/controller";
inline constexpr const char* k_job = "sust/job";
inline constexpr const char* k_epoch = "sust/epoch";
inline constexpr const char* k_rank = "sust/rank";
inline constexpr const char* k_shape = "sust/shape";          // none: a pod that we made
inline constexpr const char* k_rank_path = "sust/rank-path";  // annotation: where its rank is
inline constexpr const char* k_cancel = "sust/cancel";        // annotation: please end
inline constexpr const char* k_head = "sust/head";  // annotation: all are there, this is first
// A pod stays until its words are kept, whoever deletes it.
inline constexpr const char* k_finalizer = "sust/words";

struct Container {
    enum class State { none, waiting, running, terminated } state = State::none;
    std::string reason;   // of waiting or terminated
    std::string message;  // the termination message, or why it waits
    int exit_code = 0;
    core::WallTime started{};
    core::WallTime finished{};
};

struct Pod {
    Token token;
    std::int64_t epoch = 0;
    int rank = 0;
    std::string shape;  // whose controller made it; empty: we did
    std::string name;
    std::string uid;
    std::string node;     // empty: the scheduler has found none
    std::string address;  // of the pod
    std::string phase;
    std::string reason;  // of the phase: Evicted, DeadlineExceeded
    std::string message;
    std::string unschedulable;  // why no node was found
    std::string disruption;     // the condition DisruptionTarget's reason (1.26 and newer)
    core::WallTime created{};
    std::optional<core::WallTime> deleted_by{};  // to be gone then, as somebody asked
    bool restarts = false;   // its containers are started again when they have ended
    bool confirmed = false;  // deleted, and its node (if it had one) has ended it
    Container agent;         // the init container that brings the wrapper
    Container main;
};

// invalid: no pod of ours, or one that cannot be believed.
Result<Pod> read_pod(const nlohmann::json& object);

// How one pod ended, by its words and by what Kubernetes says.
struct PodEnd {
    End end = End::vanished;
    std::string reason;
    std::optional<ExitWord> word{};  // that is believed as it is; else the end is ours to say
    core::WallTime finished{};
    bool was_deleted = false;  // by somebody else; see why_deleted
};
// Nothing while it has not ended.
std::optional<PodEnd> end_of(const Pod& pod, core::WallTime now);

// Of all pods of an attempt, by rank: those that have ended.
struct Over {
    std::size_t count = 0;
    std::optional<PodEnd> first_bad{};
    int bad_rank = 0;
    std::optional<PodEnd> last{};
};
Over over_of(const std::map<int, Pod>& pods, core::WallTime now);

// Why its start cannot succeed as it is: an image that is not there, a command that is none.
// Nothing: it may just take its time.
std::optional<std::string> start_trouble(const Pod& pod);

}  // namespace sust::cluster::kubernetes
