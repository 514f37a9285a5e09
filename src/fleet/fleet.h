#pragma once

// What is up: services, their replicas and the map that gateways follow.
// Every call is made on the control loop's thread and returns without waiting for an engine.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/backends.h"
#include "core/log.h"
#include "core/places.h"
#include "core/sql.h"
#include "fleet/engine.h"
#include "fleet/probe.h"
#include "fleet/spec.h"
#include "fleet/view.h"
#include "serve/fleet_map.h"
#include "store/store.h"

namespace sust::fleet {

// The image of an environment, if it has one that is an artifact. Its errors are shown as they
// are: "environment 'llama-cpp': no image ... (sust image build ...)".
using ImageOf = std::function<Result<std::optional<store::Digest>>(const std::string& environment)>;

struct FleetOptions {
    core::Places places;
    Engines engines;
    std::vector<std::string> runner;  // see run_argv
    uid_t uid = 0;
    ImageOf image_of;          // empty: images are not looked for
    core::Secret link_secret;  // from which the keys of relays follow; gateways have it too
    serve::Limits limits{};
};

// The parts that a fleet works with; all outlive it.
struct FleetParts {
    core::Database& database;
    store::Store& store;
    const cluster::Backends& backends;
    Prober& prober;
    const core::Clock& clock;
};

class Fleet {
  public:
    // Runs the migrations, finds the replicas of an earlier process again and goes on with each
    // where it was.
    static Result<std::unique_ptr<Fleet>> open(FleetParts parts, FleetOptions options,
                                               core::Log log);
    ~Fleet();
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    // Makes what is said true: a new service, a rolling replacement when the specification or
    // what a name points to changed, more or fewer replicas, or nothing.
    Result<ServiceView> apply(const SaidService& said);
    Result<ServiceView> scale(std::string_view name, std::int64_t replicas);
    // Drains and stops; the service is listed as "removing" until its last replica is gone.
    Result<ServiceView> remove(std::string_view name);
    std::vector<ServiceView> list() const;
    Result<ServiceView> show(std::string_view name) const;
    // Of one replica; without a name, of the newest.
    Result<cluster::LogChunk> logs(std::string_view name, std::optional<std::string> replica,
                                   cluster::Stream stream, std::uint64_t offset,
                                   std::size_t max_bytes);

    // Moves every replica and service on; call it a few times a second.
    void tick();
    // What Scheduler::watch tells; jobs that are not replicas are ignored.
    void on_job(const cluster::JobStatus& status);

    // --- the map
    serve::FleetMap map(std::vector<tenancy::Key> keys) const;
    // Grows with every change, also across restarts.
    std::uint64_t version() const;
    // A key was made or revoked: the version grows.
    Result<void> keys_changed();
    // The gateway has applied this version (it asked for a later one).
    void acknowledged(const std::string& gateway, std::uint64_t version);
    std::vector<GatewayView> gateways() const;
    // Called on the loop after the version grew, at most once per tick or call.
    void on_change(std::function<void(std::uint64_t version)> callback);

  private:
    class Impl;
    explicit Fleet(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::fleet
