#pragma once

// A replica's process as a job: started, seen, stopped and forgotten. Every verb may be repeated.

#include <map>
#include <optional>
#include <string>

#include "cluster/scheduler.h"
#include "fleet/command.h"
#include "fleet/fleet.h"
#include "fleet/records.h"

namespace sust::fleet {

class ReplicaJobs {
  public:
    ReplicaJobs(const FleetParts& parts, const FleetOptions& options)
        : parts_(parts), options_(options) {}

    // The engine's command, with its socket where the engine runs.
    Result<EngineCommand> command(const ReplicaRecord& replica, const ServicePlan& plan) const;
    // The first alternative of the plan that takes such a replica.
    Result<cluster::Placement> choose(const ReplicaRecord& replica, const ServicePlan& plan) const;
    // Nothing: it is elsewhere, and its relay has not said yet where it listens.
    std::optional<core::http::Address> address(const ReplicaRecord& replica) const;
    // What the relay of the present attempt has said.
    Result<std::optional<cluster::Endpoint>> find_endpoint(const ReplicaRecord& replica) const;

    // Submits its job, or a further attempt if the last one is the one that is known to have
    // ended; a job that runs is left as it is.
    Result<void> start(const ReplicaRecord& replica, const ServicePlan& plan);
    Result<void> stop(const ReplicaRecord& replica);
    // Its final job, its logs and its socket.
    Result<void> forget(const ReplicaRecord& replica);

    enum class Seen { runs, ended, not_started };
    struct Sight {
        Seen seen = Seen::runs;
        std::int64_t epoch = 0;  // 0: there is no job
        std::string reason;
        bool waits = false;        // the engine has not been started
        core::WallTime started{};  // epoch: not known
    };
    Result<Sight> look(const ReplicaRecord& replica);

    // Ends the jobs of replicas that nobody knows, which a lost database leaves behind.
    void end_strangers(const std::map<std::string, ReplicaRecord>& known, const core::Log& log);
    static bool is_replica(const cluster::Token& token);

    void forget_stranger(const cluster::Token& token, const core::Log& log);

  private:
    Result<cluster::Scheduler*> scheduler_of(const ReplicaRecord& replica) const;
    bool is_here(const ReplicaRecord& replica) const;
    // Of the engine's socket, on the machine where it runs.
    Result<Path> socket_place(const ReplicaRecord& replica) const;
    // What a replica that is elsewhere shares with us: its key and its endpoint.
    Path shared_folder(const ReplicaRecord& replica) const;
    Result<void> prepare(const ReplicaRecord& replica, const EngineCommand& command) const;
    Result<cluster::JobSpec> job_spec(const ReplicaRecord& replica, const ServicePlan& plan,
                                      const EngineCommand& command) const;
    static std::string last_words(cluster::Scheduler& scheduler, const cluster::Token& token);

    const FleetParts& parts_;
    const FleetOptions& options_;
};

}  // namespace sust::fleet
