#pragma once

// Services, generations and replicas as they are kept, and their tables. Every change is on disk
// before what follows from it happens.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/relay.h"
#include "cluster/request.h"
#include "core/sql.h"
#include "fleet/life.h"
#include "fleet/plan.h"

namespace sust::fleet {

struct Generation {
    ServicePlan plan;
    bool proven = false;       // one of its replicas was ready once
    core::WallTime created{};  // epoch: before this was kept
};

struct ServiceRecord {
    std::string name;
    int wanted = 0;
    int target = 0;    // the generation that all replicas shall be of
    int fallback = 0;  // a proven one to go back to; 0: none
    int latest = 0;    // the highest number given so far
    bool removing = false;
    std::string trouble;
    std::map<int, Generation> generations;

    const ServicePlan& plan() const { return generations.at(target).plan; }
};

struct ReplicaRecord {
    std::string id;  // also the token of its job
    std::string service;
    int generation = 0;
    ReplicaState state = ReplicaState::starting;
    core::WallTime since{};
    int restarts = 0;
    int streak = 0;                   // starts in a row that came to nothing
    std::int64_t ended_epoch = 0;     // the last attempt known to have ended
    core::WallTime next_start{};      // in backoff
    bool was_ready = false;           // ever
    std::uint64_t drain_version = 0;  // gateways must know this version before it is idle
    cluster::Placement placement{};   // of its job
    // Of a replica that is elsewhere, once its relay said it; forgotten with the attempt.
    std::optional<cluster::Endpoint> endpoint{};
    std::string reason;
};

class FleetTables {
  public:
    // Runs the migrations.
    static Result<FleetTables> open(core::Database& database);

    Result<std::map<std::string, ServiceRecord>> services();
    Result<std::map<std::string, ReplicaRecord>> replicas();
    Result<std::uint64_t> version();

    // Each may be called inside a transaction of `begin`.
    Result<core::Database::Transaction> begin() { return database_->begin(); }
    Result<void> save(const ServiceRecord& service);  // and its generations; removes others
    Result<void> save(const ReplicaRecord& replica);
    Result<void> save_version(std::uint64_t version);
    Result<void> remove_service(const std::string& name);
    Result<void> remove_replica(const std::string& id);

  private:
    explicit FleetTables(core::Database& database) : database_(&database) {}
    core::Database* database_;
};

}  // namespace sust::fleet
