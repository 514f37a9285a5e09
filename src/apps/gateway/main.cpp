// sust-gateway: wiring only. Finds its places, takes its lock, serves until it is told to stop.

#include <filesystem>
#include <iostream>
#include <thread>

#include <nlohmann/json.hpp>
#include <signal.h>
#include <unistd.h>

#include "apps/common/identity.h"
#include "apps/common/process_environment.h"
#include "apps/gateway/options.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/places.h"
#include "serve/gateway.h"
#include "tenancy/keys.h"

namespace {

using namespace sust;
using core::Fault;
using core::Result;

core::Log make_log(const core::Clock& clock, const gateway::Options& options) {
    if (!options.log_file.empty()) {
        return core::Log::to_file(clock, "gateway", options.log_file, options.log_size,
                                  options.log_files, options.log_level);
    }
    const auto form = ::isatty(STDERR_FILENO) != 0 ? core::LogForm::text : core::LogForm::json;
    return core::Log(clock, "gateway", STDERR_FILENO, form, options.log_level);
}

// Made once: the ledger's files and sustd know this gateway by it over restarts.
Result<std::string> gateway_id(const core::Clock& clock, const core::Path& file) {
    constexpr std::size_t k_max = 64;
    if (auto known = TRY(core::read_file_if_any(file, k_max))) {
        return *known;
    }
    const auto id = core::make_id(clock, "gw-");
    TRY(core::write_file(file, id));
    return id;
}

Result<void> publish(const core::Path& file, const std::string& address, std::uint16_t port) {
    const nlohmann::json json = {{"address", address}, {"port", port}, {"pid", ::getpid()}};
    return core::write_file(file, json.dump() + "\n");
}

void wait_for_stop_signal(const sigset_t& signals) {
    int signal = 0;
    while (::sigwait(&signals, &signal) != 0) {
    }
}

Result<void> run(const gateway::Options& options, const sigset_t& stop_signals) {
    const core::SystemClock clock;
    const auto executable = std::filesystem::read_symlink("/proc/self/exe");
    const auto places =
        TRY(core::find_places(apps::process_environment(), executable, ::getuid(), options.root));
    TRY(core::make_directories(places.run, 0700));
    TRY(core::make_directories(places.data, 0700));
    TRY(core::make_directories(places.state, 0700));
    const auto lock = TRY(core::FileLock::try_acquire(places.run / "gateway.lock"));
    if (!lock) {
        return core::fail(Fault::conflict, "a gateway runs here already: its lock is in use",
                          {.where = (places.run / "gateway.lock").string(),
                           .hint = "`sust status` shows it, `sust down` ends it"});
    }
    TRY(apps::write_identity(places.run, "gateway"));
    const auto log = make_log(clock, options);
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    auto secret = TRY(tenancy::load_server_secret(places.data / "keys.secret"));
    auto id = TRY(gateway_id(clock, places.state / "gateway.id"));
    auto api_socket = TRY(core::socket_path(places.api_socket(), ::getuid()));
    const auto gateway =
        TRY(serve::Gateway::start(clock, log, std::move(secret),
                                  {.id = std::move(id),
                                   .address = options.address,
                                   .port = options.port,
                                   .threads = options.threads == 0 ? cores : options.threads,
                                   .api_socket = std::move(api_socket),
                                   .fleet_file = places.state / "fleet.json",
                                   .ledger_directory = places.ledger()}));
    TRY(publish(places.run / "gateway.json", options.address, gateway->port()));
    log.info("serving", {{"address", options.address}, {"port", std::to_string(gateway->port())}});
    wait_for_stop_signal(stop_signals);
    log.info("stopping: requests at work may finish");
    std::filesystem::remove(places.run / "gateway.json");
    return {};
}

int fail_with(const core::Error& error) {
    std::cerr << "sust-gateway: " << to_string(error) << "\n";
    return core::exit_code(error.fault);
}

}  // namespace

int main(int argc, char** argv) {
    // Before any thread: every thread inherits the mask, and only sigwait() sees these signals.
    sigset_t stop_signals;
    ::sigemptyset(&stop_signals);
    ::sigaddset(&stop_signals, SIGTERM);
    ::sigaddset(&stop_signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    try {
        const auto options = sust::gateway::parse_options(argc, argv);
        if (!options) {
            return fail_with(options.error());
        }
        if (!*options) {
            return 0;
        }
        const auto served = run(**options, stop_signals);
        return served ? 0 : fail_with(served.error());
    } catch (const std::exception& error) {
        return fail_with({.fault = Fault::internal, .message = error.what()});
    }
}
