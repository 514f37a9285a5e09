#include "cluster/simulated/host.h"

#include <cerrno>

#include <unistd.h>

#include "cluster/simulated/service.h"
#include "cluster/simulated/site_file.h"
#include "core/hash.h"

namespace sust::cluster::simulated {

using namespace std::chrono_literals;

namespace {

// How late an event of the site may be seen; what is asked of it is answered at once.
constexpr Duration k_tick = 20ms;

}  // namespace

Result<Engine> host_site(const HostOptions& options, const core::Clock& clock, const core::Log& log,
                         const std::function<void(const Engine&)>& on_ready,
                         const std::function<void(const Engine&)>& on_second) {
    auto model = TRY(read_model(options.text, options.origin));
    if (options.fresh && ::unlink(options.journal.c_str()) != 0 && errno != ENOENT) {
        return core::fail_errno("remove " + options.journal.string(), errno);
    }
    const auto site = TRY(Site::open({.model = std::make_shared<const Model>(std::move(model)),
                                      .digest = core::sha256_hex(options.text),
                                      .journal = options.journal,
                                      .hands = make_hands(clock, log.component("hands"))},
                                     clock, log.component("site")));
    core::EventLoop loop(clock, 1);
    Service service(*site, loop);
    const auto server = TRY(core::http::Server::listen_unix(loop, options.socket, service,
                                                            {.max_body_bytes = k_call_bytes_max},
                                                            log.component("http")));
    loop.on_stop_signal([&](int) {
        server->stop();
        loop.stop();
    });
    const auto tick = loop.every(k_tick, [&] { service.tick(); });
    const auto second = loop.every(1s, [&] { on_second(site->engine()); });
    on_ready(site->engine());
    loop.run();
    loop.end_work();
    return site->engine();
}

}  // namespace sust::cluster::simulated
