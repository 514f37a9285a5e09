#include "serve/follower.h"

#include <algorithm>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <pthread.h>

#include "core/text.h"
#include "serve/limits.h"

namespace sust::serve {

using core::fail;
using core::Fault;
using core::Result;

namespace {

// Longer than sustd may wait, so that only a sustd that hangs is given up.
constexpr core::Duration k_answer = std::chrono::seconds(k_fleet_wait_seconds) + 10s;

}  // namespace

struct Follower::Impl {
    Impl(Shared& shared_in, std::shared_ptr<const View> view_in, std::string gateway_in,
         core::Path api_socket_in, core::Path fleet_file_in)
        : shared(shared_in),
          view(std::move(view_in)),
          gateway(std::move(gateway_in)),
          api_socket(std::move(api_socket_in)),
          fleet_file(std::move(fleet_file_in)) {}

    Task<> follow();
    // Nothing: no newer map within the wait.
    Task<Result<std::optional<std::string>>> ask(EngineLink& link, std::uint64_t after);
    Task<Result<void>> follow_until_lost();
    Task<Result<void>> apply(const std::string& text);
    Task<> pause(core::Duration duration);

    Shared& shared;
    std::shared_ptr<const View> view;
    std::string gateway;
    core::Path api_socket;
    core::Path fleet_file;
    asio::io_context io{1};
    std::thread thread;
};

Task<> Follower::Impl::pause(core::Duration duration) {
    Timer timer(io, duration);
    IoError ignored;
    co_await timer.async_wait(asio::redirect_error(k_await, ignored));
}

Task<> Follower::Impl::follow() {
    auto backoff = k_backoff_first;
    core::Error last_reason;
    for (;;) {
        const auto lost = co_await follow_until_lost();
        if (shared.follows.exchange(false)) {
            shared.log.warn("sustd is away; serving on with the fleet map that is known",
                            {{"version", std::to_string(view->map().version)},
                             {"reason", lost.error().message}});
            backoff = k_backoff_first;
        } else if (lost.error() != last_reason) {
            shared.log.warn("the fleet map is not followed", {{"reason", lost.error().message}});
        }
        last_reason = lost.error();
        co_await pause(backoff);
        backoff = std::min(backoff * 2, k_backoff_last);
    }
}

// Asking from 0 first: a sustd that came back with an older database counts from less.
Task<Result<void>> Follower::Impl::follow_until_lost() {
    const auto link = std::make_shared<EngineLink>(io, core::http::UnixAddress{api_socket});
    CO_CHECK(co_await link->connect());
    for (std::uint64_t after = 0;;) {
        CO_TRY(text, co_await ask(*link, after));
        if (text) {
            CO_CHECK(co_await apply(*text));
        }
        if (!shared.follows.exchange(true)) {
            shared.log.info("following the fleet map",
                            {{"version", std::to_string(view->map().version)}});
        }
        after = view->map().version;
    }
}

Task<Result<std::optional<std::string>>> Follower::Impl::ask(EngineLink& link,
                                                             std::uint64_t after) {
    const auto target = "/api/v1/fleet?after=" + std::to_string(after) +
                        "&gateway=" + core::percent_encode(gateway) +
                        "&wait=" + std::to_string(k_fleet_wait_seconds);
    const auto alive = std::make_shared<bool>(true);
    Timer timer(io, k_answer);
    timer.async_wait([&link, alive](const IoError& error) {
        if (!error && *alive) {
            link.close();
        }
    });
    const auto request = engine_request("GET", target, gateway, "");
    auto got = co_await link.send(request);
    while (got && !link.answer().done()) {
        got = co_await link.receive();
        if (link.answer().body().size() > k_max_fleet_bytes) {
            got = fail(Fault::too_large, "the fleet map is over the size limit");
        }
    }
    *alive = false;
    CO_CHECK(std::move(got));
    const int status = link.answer().head().status;
    if (status == 204) {
        co_return std::optional<std::string>();
    }
    if (status != 200) {
        co_return fail(core::fault_of_http_status(status),
                       "sustd answered " + std::to_string(status) + ": " +
                           core::printable(link.answer().body(), 300));
    }
    co_return std::optional<std::string>(std::move(link.answer().body()));
}

// Returns when every thread works with the new map: the next question says so to sustd.
Task<Result<void>> Follower::Impl::apply(const std::string& text) {
    CO_TRY(map, decode_fleet_map(text));
    view = View::make(std::move(map), view.get());
    Timer all_applied(io, std::chrono::hours(1));
    // On this thread only; the workers post to it.
    auto left = shared.workers.size();
    for (auto& worker : shared.workers) {
        worker->post_view(view, [this, &left, &all_applied] {
            asio::post(io, [&left, &all_applied] {
                if (--left == 0) {
                    all_applied.cancel();
                }
            });
        });
    }
    IoError ignored;
    co_await all_applied.async_wait(asio::redirect_error(k_await, ignored));
    if (auto kept = core::write_file(fleet_file, text, 0600); !kept) {
        shared.log.error("the fleet map cannot be kept for the next start", kept.error());
    }
    co_return Result<void>();
}

Follower::Follower(Shared& shared, std::shared_ptr<const View> view, std::string gateway,
                   core::Path api_socket, core::Path fleet_file)
    : impl_(std::make_unique<Impl>(shared, std::move(view), std::move(gateway),
                                   std::move(api_socket), std::move(fleet_file))) {
    impl_->thread = std::thread([impl = impl_.get()] {
        ::pthread_setname_np(::pthread_self(), "fleet");
        asio::co_spawn(impl->io, impl->follow(), asio::detached);
        impl->io.run();
    });
}

Follower::~Follower() {
    impl_->io.stop();
    impl_->thread.join();
}

}  // namespace sust::serve
