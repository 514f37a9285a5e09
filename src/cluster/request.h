#pragma once

// What a user says about a job (docs/formats/job.md): everything has a default but the command.
// The same file runs on every back end; placement chooses one.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/carried.h"
#include "cluster/job.h"
#include "core/toml.h"

namespace sust::cluster {

// What happens after an attempt has ended otherwise than `completed`.
struct Retry {
    int count = 0;        // further attempts besides the first; segments are not counted
    std::vector<End> on;  // the ends that are tried again
    bool exclude_bad_nodes =
        true;             // keep off the nodes of attempts that were lost or did not start
    Duration back_off{};  // before the second attempt; doubled for each further one
};

// The back end that every installation has.
inline constexpr const char* k_this_machine = "local";

// One alternative, in the order of preference. An empty text means what the job says.
struct Placement {
    std::string backend = k_this_machine;
    std::string partition;
    std::string account;
    std::string queue;
    // Of the first attempt, where the back end's longest decides it; 0: what the job says.
    Duration time_limit{};

    bool operator==(const Placement&) const = default;
};
void to_json(nlohmann::json& json, const Placement& placement);
// [[placement]] of a job, a service or a run; none said: this machine.
Result<std::vector<Placement>> read_placements(const core::TomlTable& table);
// What the placement says of a job that says nothing of it.
void place(JobSpec& spec, const Placement& placement);

struct JobRequest {
    std::string name;
    std::vector<std::string> command;
    core::Environment environment;
    Path workdir;
    std::string image;
    Shape shape;
    int priority = 0;
    std::string partition, account, queue, principal;
    Duration time_limit{};        // of all segments together
    bool has_time_limit = false;  // it was said, and not filled in
    Duration stop_grace{};
    Duration notice{};
    // Of one attempt, for work that can resume; 0: the job is one attempt.
    Duration segment{};
    Retry retry;
    Carried carried;  // inputs and outputs
    std::map<std::string, std::string> labels;
    std::vector<Placement> placement;                                   // at least one
    std::map<std::string, std::map<std::string, std::string>> options;  // by back end

    // As it is said, for keeping; read() makes the same of it again.
    std::string document;
};

// Unknown keys, wrong types and values out of range are errors with their place.
Result<JobRequest> read_request(const core::TomlTable& table);

// What one attempt asks of the back end that was chosen.
JobSpec spec_of(const JobRequest& request, const Placement& placement, const Token& token);

}  // namespace sust::cluster
