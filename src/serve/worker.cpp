#include "serve/worker.h"

#include <cstring>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <pthread.h>

#include "core/text.h"
#include "serve/limits.h"
#include "serve/session.h"

namespace sust::serve {

using core::Fault;
using core::Result;

namespace {

constexpr core::Duration k_accept_pause = 100ms;  // out of descriptors: let some end
constexpr core::Duration k_gather = 2s;           // a thread that hangs is left out of /metrics
constexpr core::Duration k_last_words = 2s;       // for requests that were interrupted

using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

}  // namespace

Worker::Worker(Shared& shared_in, std::size_t number)
    : shared(shared_in),
      keys(shared_in.secret),
      router(shared_in.clock, [this] { shared.bell.slot_freed(); }),
      waiting(io, router, shared_in.bell, number),
      engines(io, shared_in.clock, shared_in.secret),
      number_(number) {
    const auto seed = core::random_bytes(sizeof id_state_);
    std::memcpy(id_state_, seed.data(), sizeof id_state_);
    shared.bell.ring[number] = [this] {
        asio::post(io, [this] {
            if (const auto left = waiting.serve(view)) {
                shared.bell.slot_freed(*left);
            }
        });
    };
}

Worker::~Worker() = default;

void Worker::set_view(std::shared_ptr<const View> new_view) {
    view = std::move(new_view);
    waiting.serve(view);
}

Result<void> Worker::listen(const asio::ip::tcp::endpoint& at) {
    IoError error;
    acceptor_.open(at.protocol(), error);
    if (!error) {
        acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    }
    if (!error) {
        acceptor_.set_option(ReusePort(true), error);
    }
    if (!error) {
        acceptor_.bind(at, error);
    }
    if (!error) {
        acceptor_.listen(asio::socket_base::max_listen_connections, error);
    }
    if (error) {
        return core::fail(
            error == asio::error::address_in_use ? Fault::conflict : Fault::invalid,
            "cannot listen: " + error.message(),
            {.where = core::host_and_port(at.address().to_string(), at.port()),
             .hint = "choose another: sust up "
                     "--config gateway.listen=ADDRESS:PORT, sust-gateway --listen ADDRESS:PORT"});
    }
    return {};
}

std::uint16_t Worker::port() const {
    return acceptor_.local_endpoint().port();
}

void Worker::run() {
    ::pthread_setname_np(::pthread_self(), ("gateway-" + std::to_string(number_)).c_str());
    asio::co_spawn(io, accept(), asio::detached);
    schedule_sweep(k_sweep_idle);
    auto guard = asio::make_work_guard(io);
    io.run();
    // Nothing may be left that refers to this object when the loop is taken apart.
    io.restart();
    engines.clear();
    const core::Deadline until(shared.clock, k_last_words);
    while ((!sessions_.empty() || counting > 0) && !until.passed()) {
        for (auto* session : sessions_) {
            session->interrupt();
        }
        io.run_for(k_sweep);
    }
}

Task<> Worker::accept() {
    for (;;) {
        ClientSocket socket(io);
        IoError error;
        co_await acceptor_.async_accept(socket, asio::redirect_error(k_await, error));
        if (!acceptor_.is_open()) {
            co_return;
        }
        if (error) {
            Timer pause(io, k_accept_pause);
            co_await pause.async_wait(asio::redirect_error(k_await, error));
            continue;
        }
        if (sessions_.size() >= k_max_connections) {
            continue;
        }
        socket.set_option(asio::ip::tcp::no_delay(true), error);
        const auto session = std::make_shared<Session>(*this, std::move(socket));
        asio::co_spawn(
            io, [session]() -> Task<> { co_await session->run(); }, asio::detached);
    }
}

void Worker::enter(Session& session) {
    session.place = sessions_.insert(sessions_.end(), &session);
    ++shared.open;
}

void Worker::leave(Session& session) {
    sessions_.erase(session.place);
    --shared.open;
}

void Worker::want_sweep() {
    if (!sweeping_fast_) {
        sweeping_fast_ = true;
        schedule_sweep(k_sweep);
    }
}

void Worker::schedule_sweep(core::Duration in) {
    sweeper_.expires_after(in);
    sweeper_.async_wait([this](const IoError& error) {
        if (!error) {
            sweep();
        }
    });
}

void Worker::sweep() {
    const auto now = shared.clock.monotonic();
    for (auto* session : sessions_) {
        session->sweep(now);
    }
    engines.sweep();
    sweeping_fast_ = metrics.running > 0;
    schedule_sweep(sweeping_fast_ ? k_sweep : k_sweep_idle);
}

Metrics Worker::snapshot() const {
    auto copy = metrics;
    copy.connections = static_cast<std::int64_t>(sessions_.size());
    return copy;
}

// Each thread copies its own figures and hands the copy over; nobody reads another's.
Task<Metrics> Worker::gather() {
    struct Parts {
        explicit Parts(asio::io_context& own) : all_here(own, k_gather) {}
        Metrics sum;
        std::size_t left = 0;
        Timer all_here;
    };
    const auto parts = std::make_shared<Parts>(io);
    parts->sum = snapshot();
    parts->left = shared.workers.size() - 1;
    for (auto& worker : shared.workers) {
        if (worker.get() != this) {
            asio::post(worker->io, [this, other = worker.get(), parts] {
                asio::post(io, [parts, part = other->snapshot()] {
                    parts->sum.merge(part);
                    if (--parts->left == 0) {
                        parts->all_here.cancel();
                    }
                });
            });
        }
    }
    if (parts->left > 0) {
        IoError ignored;
        co_await parts->all_here.async_wait(asio::redirect_error(k_await, ignored));
    }
    co_return std::move(parts->sum);
}

void Worker::post_view(std::shared_ptr<const View> new_view, std::function<void()> applied) {
    asio::post(io, [this, new_view = std::move(new_view), applied = std::move(applied)]() mutable {
        set_view(std::move(new_view));
        applied();
    });
}

void Worker::post_stop() {
    asio::post(io, [this] {
        IoError ignored;
        acceptor_.close(ignored);
        for (auto* session : sessions_) {
            session->end_if_idle();
        }
    });
}

void Worker::post_interrupt() {
    asio::post(io, [this] {
        for (auto* session : sessions_) {
            session->interrupt();
        }
    });
}

void Worker::finish() {
    io.stop();
}

std::string Worker::make_request_id() {
    static constexpr char k_alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    std::string id = "req-00000000000000000000000000";
    auto time = static_cast<std::uint64_t>(shared.clock.wall().time_since_epoch().count());
    for (std::size_t i = 13; i >= 4; --i, time >>= 5) {
        id[i] = k_alphabet[time & 31U];
    }
    // xorshift128+: unique, not secret; 80 bits in two parts.
    for (std::size_t part = 0; part < 2; ++part) {
        auto s1 = id_state_[0];
        const auto s0 = id_state_[1];
        auto bits = s0 + s1;
        id_state_[0] = s0;
        s1 ^= s1 << 23;
        id_state_[1] = s1 ^ s0 ^ (s1 >> 18) ^ (s0 >> 5);
        for (std::size_t i = 0; i < 8; ++i, bits >>= 5) {
            id[14 + 8 * part + i] = k_alphabet[bits & 31U];
        }
    }
    return id;
}

}  // namespace sust::serve
