#include "serve/gateway.h"

#include <thread>

#include "core/text.h"
#include "serve/follower.h"
#include "serve/limits.h"
#include "serve/worker.h"

namespace sust::serve {

using asio::ip::tcp;
using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr core::Duration k_look = 10ms;
constexpr core::Duration k_last_words = 2s;

// With SO_REUSEPORT two gateways could share a port without noticing: a first bind without it.
Result<void> check_free(asio::io_context& io, const tcp::endpoint& at) {
    if (at.port() == 0) {
        return {};
    }
    Acceptor probe(io);
    IoError error;
    probe.open(at.protocol(), error);
    if (!error) {
        probe.set_option(asio::socket_base::reuse_address(true), error);
    }
    if (!error) {
        probe.bind(at, error);
    }
    if (error) {
        const auto shown = core::host_and_port(at.address().to_string(), at.port());
        return fail(
            error == asio::error::address_in_use ? Fault::conflict : Fault::invalid,
            "cannot listen on " + shown + ": " + error.message(),
            {.hint = "end what holds it, or choose another: sust up "
                     "--config gateway.listen=ADDRESS:PORT, sust-gateway --listen ADDRESS:PORT"});
    }
    return {};
}

Result<tcp::endpoint> parse_endpoint(const GatewayOptions& options) {
    IoError error;
    const auto address = asio::ip::make_address(options.address, error);
    if (error) {
        return fail(Fault::invalid, "'" + options.address + "' is not an address",
                    {.hint = "--listen takes a literal address and a port, as 127.0.0.1:8080"});
    }
    if (!address.is_loopback()) {
        return fail(Fault::invalid, "'" + options.address + "' is not a loopback address",
                    {.hint = "keys would cross the network unencrypted; put a TLS proxy in front"});
    }
    return tcp::endpoint(address, options.port);
}

Result<FleetMap> load_map(const core::Path& file, const core::Log& log) {
    const auto text = TRY(core::read_file_if_any(file, k_max_fleet_bytes));
    if (!text) {
        return FleetMap{};
    }
    auto map = decode_fleet_map(*text);
    if (!map) {
        log.warn("the fleet map that was kept cannot be read; waiting for sustd's",
                 {{"file", file.string()}, {"reason", map.error().message}});
        return FleetMap{};
    }
    return map;
}

}  // namespace

struct Gateway::Impl {
    Impl(const core::Clock& clock, core::Log log, core::Secret secret, GatewayOptions options_in)
        : options(std::move(options_in)),
          shared(clock, std::move(log), std::move(secret), options.threads) {}

    Result<void> start();
    bool wait_until_empty(core::Duration within);
    void stop();

    GatewayOptions options;
    Shared shared;
    std::unique_ptr<Follower> follower;
    std::vector<std::thread> threads;
};

Result<void> Gateway::Impl::start() {
    auto at = TRY(parse_endpoint(options));
    auto view = View::make(TRY(load_map(options.fleet_file, shared.log)), nullptr);
    shared.ledger = TRY(Ledger::open(shared.clock, shared.log.component("ledger"),
                                     options.ledger_directory, options.id));
    for (std::size_t i = 0; i < options.threads; ++i) {
        shared.workers.push_back(std::make_unique<Worker>(shared, i));
        shared.workers.back()->set_view(view);
    }
    TRY(check_free(shared.workers.front()->io, at));
    for (auto& worker : shared.workers) {
        TRY(worker->listen(at));
        at.port(worker->port());
    }
    for (auto& worker : shared.workers) {
        threads.emplace_back([&worker] { worker->run(); });
    }
    follower = std::make_unique<Follower>(shared, view, options.id, options.api_socket,
                                          options.fleet_file);
    return {};
}

bool Gateway::Impl::wait_until_empty(core::Duration within) {
    const core::Deadline deadline(shared.clock, within);
    while (shared.open.load() > 0 && !deadline.passed()) {
        std::this_thread::sleep_for(k_look);
    }
    return shared.open.load() == 0;
}

void Gateway::Impl::stop() {
    follower.reset();
    shared.stopping.store(true);
    if (!threads.empty()) {
        for (auto& worker : shared.workers) {
            worker->post_stop();
        }
        if (!wait_until_empty(options.drain)) {
            shared.log.warn("requests are ended: the drain time is over",
                            {{"requests", std::to_string(shared.open.load())}});
            for (auto& worker : shared.workers) {
                worker->post_interrupt();
            }
            wait_until_empty(k_last_words);
        }
    }
    for (auto& worker : shared.workers) {
        worker->finish();
    }
    for (auto& thread : threads) {
        thread.join();
    }
    shared.ledger.reset();
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Gateway::~Gateway() {
    impl_->stop();
}

Result<std::unique_ptr<Gateway>> Gateway::start(const core::Clock& clock, core::Log log,
                                                core::Secret server_secret,
                                                GatewayOptions options) {
    auto impl =
        std::make_unique<Impl>(clock, std::move(log), std::move(server_secret), std::move(options));
    std::unique_ptr<Gateway> gateway(new Gateway(std::move(impl)));
    TRY(gateway->impl_->start());
    return gateway;
}

std::uint16_t Gateway::port() const {
    return impl_->shared.workers.front()->port();
}

}  // namespace sust::serve
