#include "apps/sustd/daemon.h"

#include "apps/common/identity.h"
#include "cluster/local.h"
#include "cluster/sites/local_site.h"
#include "cluster/sites/sites.h"
#include "cluster/wrapper.h"
#include "control/api.h"
#include "control/migrations.h"
#include "control/reconciler.h"
#include "core/event_loop.h"
#include "env/environment.h"
#include "fleet/probe.h"

namespace sust::daemon {

using core::fail;
using core::Fault;
using core::Result;

namespace {

// What is being written is finished; a client that reads slower than this asks again.
constexpr auto k_stop_within = std::chrono::seconds(2);

Result<void> make_places(const core::Places& places) {
    for (const auto& folder : {places.data, places.run, places.state, places.cache}) {
        TRY(core::make_directories(folder, 0700));
    }
    return {};
}

Result<core::FileLock> lock(const core::Places& places) {
    const auto file = places.data / "sustd.lock";
    auto held = TRY(core::FileLock::try_acquire(file));
    if (!held) {
        return fail(Fault::conflict, "this data directory is in use by another sustd",
                    {.where = file.native(), .hint = "sust status shows it, sust down stops it"});
    }
    return std::move(*held);
}

struct BackendsFile {
    cluster::LocalSettings local;
    std::vector<cluster::Site> sites;
};

Result<BackendsFile> backends_file(const Setup& setup) {
    constexpr std::size_t k_file_bytes_max = 1 << 20;
    const auto file = setup.places.config / "backends.toml";
    const auto text = TRY(core::read_file_if_any(file, k_file_bytes_max)).value_or("");
    BackendsFile read{.local = TRY(cluster::read_local(text, file.string()))};
    read.sites = TRY(cluster::read_sites(
        text, file.string(),
        {.agent = setup.places.bin / "sust-agent",
         .base = cluster::base_environment(setup.environment),
         .data = setup.places.data,
         .environment = setup.environment,
         .shapes = {setup.places.config / "shapes", setup.places.share / "shapes"}}));
    return read;
}

std::vector<std::string> runner(const Setup& setup) {
    std::vector<std::string> words{(setup.places.bin / "sust").native(), "run"};
    if (!setup.root.empty()) {
        words.insert(words.end(), {"--root", setup.root.native()});
    }
    return words;
}

Result<std::unique_ptr<fleet::Fleet>> open_fleet(const Setup& setup, fleet::FleetParts parts,
                                                 const core::Secret& secret, const core::Log& log) {
    auto engines = TRY(fleet::load_engines(setup.places.share / "engines"));
    fleet::FleetOptions options{
        .places = setup.places,
        .engines = std::move(engines),
        .runner = runner(setup),
        .uid = setup.uid,
        .image_of = [&setup, &store = parts.store](
                        const std::string& environment) -> Result<std::optional<store::Digest>> {
            return TRY(env::resolve(environment, setup.places, store, setup.environment)).image;
        },
        .link_secret = secret};
    return fleet::Fleet::open(parts, std::move(options), log.component("fleet"));
}

Result<std::unique_ptr<cluster::Scheduler>> open_local(const Setup& setup,
                                                       const cluster::LocalSettings& settings,
                                                       const core::Clock& clock,
                                                       const core::Log& log) {
    return cluster::open_local({.book = {.jobs = setup.places.jobs()},
                                .agent = setup.places.bin / "sust-agent",
                                .settings = settings},
                               clock, log.component("jobs"));
}

// Ends what waits, gives what is being written a moment, then ends the loop.
void stop_on_signal(core::EventLoop& loop, control::Api& api, core::http::Server& server,
                    const core::Log& log, std::unique_ptr<core::EventLoop::Timer>& end) {
    loop.on_stop_signal([&](int signal) {
        if (end) {
            loop.stop();  // asked twice
            return;
        }
        log.info("stopping", {{"signal", std::to_string(signal)}});
        server.stop();
        api.close();
        const core::Deadline deadline(loop.clock(), k_stop_within);
        end = loop.every(std::chrono::milliseconds(10), [&loop, &server, deadline] {
            if (server.connections() == 0 || deadline.passed()) {
                loop.stop();
            }
        });
    });
}

}  // namespace

Result<void> serve(const Setup& setup, const core::Clock& clock, const core::Log& log) {
    const auto& places = setup.places;
    TRY(make_places(places));
    const auto held = TRY(lock(places));
    TRY(apps::write_identity(places.run, "sustd"));
    auto database = TRY(core::Database::open(places.data / "sust.db"));
    TRY(control::migrate(database));
    auto store = TRY(store::Store::open(places.store(), clock));
    const auto said = TRY(backends_file(setup));
    const auto scheduler = TRY(open_local(setup, said.local, clock, log));
    const auto others = cluster::open_sites(said.sites, clock, log.component("jobs"));
    cluster::Backends backends(*scheduler);
    for (const auto& other : others) {
        backends.add(*other);
    }
    auto keys = TRY(tenancy::KeyTable::open(database));
    const auto secret = TRY(tenancy::load_server_secret(places.data / "keys.secret"));

    core::EventLoop loop(clock);
    const auto prober = fleet::make_http_prober(loop);
    const auto fleet =
        TRY(open_fleet(setup, {database, store, backends, *prober, clock}, secret, log));
    const auto offload = [&loop](auto work, auto done) {
        return loop.offload(std::move(work), std::move(done));
    };
    const auto runs = TRY(tune::Runs::open({.database = database,
                                            .store = store,
                                            .backends = backends,
                                            .clock = clock,
                                            .log = log.component("runs"),
                                            .places = places,
                                            .root = setup.root,
                                            .offload = offload}));
    auto jobs = TRY(control::Jobs::open({.database = database,
                                         .backends = backends,
                                         .clock = clock,
                                         .log = log.component("jobs"),
                                         .places = places,
                                         .root = setup.root,
                                         .store = store,
                                         .offload = offload}));

    control::Api api({.loop = loop,
                      .clock = clock,
                      .database = database,
                      .store = store,
                      .runs = *runs,
                      .jobs = jobs,
                      .backends = backends,
                      .fleet = *fleet,
                      .keys = keys,
                      .key_secret = secret,
                      .places = places,
                      .owner = setup.uid,
                      .version = setup.version,
                      .log = log.component("api")});
    const auto socket = TRY(core::socket_path(places.api_socket(), setup.uid));
    const auto server =
        TRY(core::http::Server::listen_unix(loop, socket, api, {}, log.component("http")));
    const control::Reconciler reconciler(loop, backends, *runs, jobs, *fleet, api,
                                         log.component("reconciler"));
    std::unique_ptr<core::EventLoop::Timer> end;
    stop_on_signal(loop, api, *server, log, end);
    log.info("ready", {{"socket", socket.native()}, {"version", setup.version}});
    loop.run();
    jobs.stop_bringing();
    loop.end_work();
    log.info("stopped");
    return {};
}

}  // namespace sust::daemon
