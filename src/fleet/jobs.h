#pragma once

// A replica's process as a job: started, seen, stopped and forgotten. Every verb may be repeated.

#include <map>
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

    // The folder of its socket, and the command with which the engine is run.
    Result<EngineCommand> command(const ReplicaRecord& replica, const ServicePlan& plan) const;

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
    };
    Result<Sight> look(const ReplicaRecord& replica);

    // Ends the jobs of replicas that nobody knows, which a lost database leaves behind.
    void end_strangers(const std::map<std::string, ReplicaRecord>& known, const core::Log& log);
    static bool is_replica(const cluster::Token& token);

  private:
    Result<Path> folder(const ReplicaRecord& replica) const;
    std::string last_words(const cluster::Token& token);

    const FleetParts& parts_;
    const FleetOptions& options_;
};

}  // namespace sust::fleet
