#pragma once

// What a fleet remembers, in memory and on disk as one: a change is written first and seen after.

#include <map>
#include <string>

#include "fleet/records.h"

namespace sust::fleet {

// Whether gateways must learn of a change: the version grows in the same transaction.
enum class Visible { yes, no };

class Book {
  public:
    // The version is a new one: what changed while nobody wrote it down is told as well.
    static Result<Book> open(core::Database& database);

    const std::map<std::string, ServiceRecord>& services() const { return services_; }
    const std::map<std::string, ReplicaRecord>& replicas() const { return replicas_; }
    const ServiceRecord* service(std::string_view name) const;
    const ReplicaRecord* replica(std::string_view id) const;
    // Of the service, oldest first.
    std::vector<const ReplicaRecord*> replicas_of(std::string_view service) const;
    // The plan that a replica is made from; null only if the book is damaged.
    const ServicePlan* plan_of(const ReplicaRecord& replica) const;

    Result<void> put(ServiceRecord service, Visible visible);
    Result<void> put(ReplicaRecord replica, Visible visible);
    Result<void> remove_service(const std::string& name);
    Result<void> remove_replica(const std::string& id);
    // The version grows.
    Result<void> touch();
    std::uint64_t version() const { return version_; }
    // For people only; not written.
    void set_reason(const std::string& id, std::string reason);

  private:
    explicit Book(FleetTables tables) : tables_(tables) {}

    FleetTables tables_;
    std::map<std::string, ServiceRecord> services_;
    std::map<std::string, ReplicaRecord> replicas_;
    std::uint64_t version_ = 0;
};

}  // namespace sust::fleet
