#include "fleet/records.h"

#include <array>

#include <nlohmann/json.hpp>

#include "core/toml.h"

namespace sust::fleet {

using core::SqlRow;

namespace {

constexpr std::array k_migrations{
    core::Migration{R"(
CREATE TABLE fleet_version (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL);
INSERT INTO fleet_version VALUES (1, 1);
CREATE TABLE fleet_services (
  name TEXT PRIMARY KEY, wanted INTEGER NOT NULL, target INTEGER NOT NULL,
  fallback INTEGER NOT NULL, latest INTEGER NOT NULL, removing INTEGER NOT NULL,
  trouble TEXT NOT NULL);
CREATE TABLE fleet_generations (
  service TEXT NOT NULL REFERENCES fleet_services (name) ON DELETE CASCADE,
  number INTEGER NOT NULL, plan TEXT NOT NULL, proven INTEGER NOT NULL,
  PRIMARY KEY (service, number));
CREATE TABLE fleet_replicas (
  id TEXT PRIMARY KEY,
  service TEXT NOT NULL REFERENCES fleet_services (name),
  generation INTEGER NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL,
  restarts INTEGER NOT NULL, streak INTEGER NOT NULL, ended_epoch INTEGER NOT NULL,
  next_start INTEGER NOT NULL, was_ready INTEGER NOT NULL, drain_version INTEGER NOT NULL,
  reason TEXT NOT NULL);
)"},
    core::Migration{"ALTER TABLE fleet_generations ADD COLUMN created INTEGER NOT NULL DEFAULT 0"},
    core::Migration{R"(
ALTER TABLE fleet_replicas ADD COLUMN placement TEXT NOT NULL DEFAULT '{"backend":"local"}';
ALTER TABLE fleet_replicas ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';
)"}};

std::int64_t milliseconds(core::WallTime time) {
    return time.time_since_epoch().count();
}
core::WallTime wall_time(std::int64_t value) {
    return core::WallTime(std::chrono::milliseconds(value));
}

Result<cluster::Placement> placement_from(const std::string& text) {
    const auto table = TRY(core::TomlTable::from_json(
        nlohmann::json{{"placement", {nlohmann::json::parse(text)}}}.dump(), "placement"));
    return TRY(cluster::read_placements(table)).front();
}

Result<ReplicaRecord> replica_of(const SqlRow& row) {
    const auto state = TRY(parse_replica_state(row.text(3)));
    auto placement = TRY(placement_from(row.text(12)));
    std::optional<cluster::Endpoint> endpoint;
    if (!row.text(13).empty()) {
        endpoint = TRY(cluster::decode_endpoint(row.text(13)));
    }
    return ReplicaRecord{.id = row.text(0),
                         .service = row.text(1),
                         .generation = static_cast<int>(row.integer(2)),
                         .state = state,
                         .since = wall_time(row.integer(4)),
                         .restarts = static_cast<int>(row.integer(5)),
                         .streak = static_cast<int>(row.integer(6)),
                         .ended_epoch = row.integer(7),
                         .next_start = wall_time(row.integer(8)),
                         .was_ready = row.integer(9) != 0,
                         .drain_version = static_cast<std::uint64_t>(row.integer(10)),
                         .placement = std::move(placement),
                         .endpoint = std::move(endpoint),
                         .reason = row.text(11)};
}

}  // namespace

Result<FleetTables> FleetTables::open(core::Database& database) {
    TRY(database.migrate("fleet", k_migrations));
    return FleetTables(database);
}

Result<std::map<std::string, ServiceRecord>> FleetTables::services() {
    std::map<std::string, ServiceRecord> services;
    for (const auto& row :
         TRY(database_->query("SELECT name, wanted, target, fallback, latest, removing, trouble"
                              " FROM fleet_services"))) {
        services[row.text(0)] = {.name = row.text(0),
                                 .wanted = static_cast<int>(row.integer(1)),
                                 .target = static_cast<int>(row.integer(2)),
                                 .fallback = static_cast<int>(row.integer(3)),
                                 .latest = static_cast<int>(row.integer(4)),
                                 .removing = row.integer(5) != 0,
                                 .trouble = row.text(6)};
    }
    for (const auto& row : TRY(database_->query(
             "SELECT service, number, plan, proven, created FROM fleet_generations"))) {
        auto plan = TRY(core::within("service " + row.text(0), decode_plan(row.text(2))));
        services[row.text(0)].generations.emplace(static_cast<int>(row.integer(1)),
                                                  Generation{.plan = std::move(plan),
                                                             .proven = row.integer(3) != 0,
                                                             .created = wall_time(row.integer(4))});
    }
    return services;
}

Result<std::map<std::string, ReplicaRecord>> FleetTables::replicas() {
    std::map<std::string, ReplicaRecord> replicas;
    for (const auto& row : TRY(database_->query(
             "SELECT id, service, generation, state, since, restarts, streak, ended_epoch,"
             " next_start, was_ready, drain_version, reason, placement, endpoint"
             " FROM fleet_replicas"))) {
        auto replica = TRY(replica_of(row));
        replicas.emplace(row.text(0), std::move(replica));
    }
    return replicas;
}

Result<std::uint64_t> FleetTables::version() {
    const auto rows = TRY(database_->query("SELECT version FROM fleet_version"));
    return rows.empty() ? 1 : static_cast<std::uint64_t>(rows.front().integer(0));
}

Result<void> FleetTables::save(const ServiceRecord& service) {
    TRY(database_->execute(
        "INSERT INTO fleet_services (name, wanted, target, fallback, latest, removing, trouble)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET wanted = excluded.wanted, target = excluded.target,"
        " fallback = excluded.fallback, latest = excluded.latest,"
        " removing = excluded.removing, trouble = excluded.trouble",
        {service.name, std::int64_t{service.wanted}, std::int64_t{service.target},
         std::int64_t{service.fallback}, std::int64_t{service.latest},
         std::int64_t{service.removing}, service.trouble}));
    TRY(database_->execute("DELETE FROM fleet_generations WHERE service = ?", {service.name}));
    for (const auto& [number, generation] : service.generations) {
        TRY(database_->execute(
            "INSERT INTO fleet_generations (service, number, plan, proven, created)"
            " VALUES (?, ?, ?, ?, ?)",
            {service.name, std::int64_t{number}, encode(generation.plan),
             std::int64_t{generation.proven}, milliseconds(generation.created)}));
    }
    return {};
}

Result<void> FleetTables::save(const ReplicaRecord& replica) {
    TRY(database_->execute(
        "INSERT OR REPLACE INTO fleet_replicas (id, service, generation, state, since, restarts,"
        " streak, ended_epoch, next_start, was_ready, drain_version, reason, placement, endpoint)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {replica.id, replica.service, std::int64_t{replica.generation},
         std::string(to_string(replica.state)), milliseconds(replica.since),
         std::int64_t{replica.restarts}, std::int64_t{replica.streak}, replica.ended_epoch,
         milliseconds(replica.next_start), std::int64_t{replica.was_ready},
         static_cast<std::int64_t>(replica.drain_version), replica.reason,
         nlohmann::json(replica.placement).dump(),
         replica.endpoint ? cluster::encode(*replica.endpoint) : std::string()}));
    return {};
}

Result<void> FleetTables::save_version(std::uint64_t version) {
    TRY(database_->execute("UPDATE fleet_version SET version = ?",
                           {static_cast<std::int64_t>(version)}));
    return {};
}

Result<void> FleetTables::remove_service(const std::string& name) {
    TRY(database_->execute("DELETE FROM fleet_services WHERE name = ?", {name}));
    return {};
}

Result<void> FleetTables::remove_replica(const std::string& id) {
    TRY(database_->execute("DELETE FROM fleet_replicas WHERE id = ?", {id}));
    return {};
}

}  // namespace sust::fleet
