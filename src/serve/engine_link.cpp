#include "serve/engine_link.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/link_proof.h"
#include "core/listen.h"
#include "core/text.h"
#include "serve/limits.h"

namespace sust::serve {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr std::size_t k_first_read = 4096;
constexpr core::Duration k_connect_pause = 5ms;

tl::unexpected<core::Error> lost(const IoError& error) {
    return fail(Fault::unavailable, error.message());
}

// 0, or an errno. Asio takes EAGAIN of a Unix socket (a full queue) for a connect under way.
int connect_once(int fd, const core::Path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto text = path.string();
    if (text.size() >= sizeof address.sun_path) {
        return ENAMETOOLONG;
    }
    std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0
                                                                                           : errno;
}

}  // namespace

std::string EngineLink::place() const {
    if (const auto* local = std::get_if<core::http::UnixAddress>(&address_)) {
        return local->socket.native();
    }
    const auto& relay = std::get<core::http::TcpAddress>(address_);
    return core::host_and_port(relay.host, relay.port);
}

Task<Result<void>> EngineLink::connect() {
    if (const auto* local = std::get_if<core::http::UnixAddress>(&address_)) {
        co_return co_await connect_unix(local->socket);
    }
    // The timer may run when this is over and the link gone.
    const auto alive = std::make_shared<bool>(true);
    Timer timer(socket_.get_executor(), k_connect);
    timer.async_wait([this, alive](const IoError& error) {
        if (!error && *alive) {
            close();
        }
    });
    auto connected = co_await connect_relay(std::get<core::http::TcpAddress>(address_));
    *alive = false;
    if (!connected) {
        connected.error().where = place();
        close();
    }
    co_return connected;
}

Task<Result<void>> EngineLink::connect_unix(const core::Path& path) {
    IoError error;
    socket_.open(asio::generic::stream_protocol(AF_UNIX, 0), error);
    if (!error) {
        socket_.non_blocking(true, error);
    }
    if (error) {
        co_return lost(error);
    }
    for (auto waited = core::Duration::zero();; waited += k_connect_pause) {
        const int code = connect_once(socket_.native_handle(), path);
        if (code == 0) {
            co_return Result<void>();
        }
        if (code != EAGAIN || waited >= k_connect) {
            co_return core::fail_errno("connect to " + path.string(), code);
        }
        Timer pause(socket_.get_executor(), k_connect_pause);
        co_await pause.async_wait(asio::redirect_error(k_await, error));
        if (!socket_.is_open()) {
            co_return fail(Fault::unavailable, "cancelled");
        }
    }
}

Task<Result<void>> EngineLink::connect_relay(const core::http::TcpAddress& relay) {
    CO_TRY(fd, core::connect_tcp_socket(relay.host, relay.port));
    IoError error;
    socket_.assign(asio::generic::stream_protocol(AF_INET, IPPROTO_TCP), fd.get(), error);
    if (error) {
        co_return lost(error);
    }
    (void)fd.release();
    co_await socket_.async_wait(EngineSocket::wait_write, asio::redirect_error(k_await, error));
    int code = 0;
    socklen_t size = sizeof code;
    if (error || ::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_ERROR, &code, &size) != 0) {
        co_return fail(Fault::unavailable, "no connection in time");
    }
    if (code != 0) {
        co_return core::fail_errno("connect", code);
    }
    co_return co_await prove(relay.link_key);
}

// The relay and we show each other that we have the key, before a prompt is sent.
Task<Result<void>> EngineLink::prove(const core::Secret& key) {
    CO_TRY(hello, co_await read_exactly(core::k_link_hello_bytes));
    CO_TRY(client, core::LinkClient::answer(hello, key));
    if (const auto error = co_await send_all(socket_, client.claim(), [] {})) {
        co_return lost(error);
    }
    CO_TRY(grant, co_await read_exactly(core::k_link_grant_bytes));
    co_return client.check(grant);
}

Task<Result<std::string>> EngineLink::read_exactly(std::size_t count) {
    std::string bytes(count, '\0');
    for (std::size_t have = 0; have < count;) {
        IoError error;
        have += co_await socket_.async_read_some(asio::buffer(bytes.data() + have, count - have),
                                                 asio::redirect_error(k_await, error));
        if (error) {
            co_return lost(error);
        }
    }
    co_return Result<std::string>(std::move(bytes));
}

Task<Result<void>> EngineLink::send(std::string_view request) {
    answer_.reset();
    heard_ = false;
    const auto error = co_await send_all(socket_, request, [] {});
    if (error) {
        co_return lost(error);
    }
    co_return Result<void>();
}

Task<Result<void>> EngineLink::receive() {
    const auto held = buffer_.size();
    buffer_.resize(held + read_size_);
    IoError error;
    const auto count = co_await socket_.async_read_some(
        asio::buffer(buffer_.data() + held, read_size_), asio::redirect_error(k_await, error));
    buffer_.resize(held + count);
    if (error == asio::error::eof) {
        CO_CHECK(answer_.feed_end());
        co_return Result<void>();
    }
    if (error) {
        co_return lost(error);
    }
    heard_ = true;
    if (count == read_size_) {
        read_size_ = std::min<std::size_t>(read_size_ * 2, 64 << 10);
    }
    CO_TRY(used, answer_.feed(buffer_));
    buffer_.erase(0, used);
    co_return Result<void>();
}

void EngineLink::close() {
    IoError ignored;
    socket_.close(ignored);
}

bool EngineLink::can_be_used_again() const {
    return socket_.is_open() && answer_.done() && answer_.head().keep_alive && buffer_.empty();
}

EngineLinkPtr EnginePool::fresh(const Replica& replica) const {
    return std::make_unique<EngineLink>(*io_, address_of(replica, *secret_));
}

EngineLinkPtr EnginePool::take(const Replica& replica) {
    const auto found =
        idle_.find(replica.host.empty() ? replica.socket.native()
                                        : core::host_and_port(replica.host, replica.port));
    if (found == idle_.end() || found->second.empty()) {
        return fresh(replica);
    }
    auto link = std::move(found->second.back());
    found->second.pop_back();
    link->load_->idle_connections.fetch_sub(1);
    link->load_.reset();
    link->used_before_ = true;
    return link;
}

void EnginePool::give_back(EngineLinkPtr link, const Candidate& candidate) {
    if (!link || !link->can_be_used_again() ||
        candidate.load->idle_connections.load() >= std::max(1, candidate.replica->slots / 2)) {
        return;
    }
    candidate.load->idle_connections.fetch_add(1);
    link->load_ = candidate.load;
    link->idle_since_ = clock_->monotonic();
    link->read_size_ = k_first_read;
    link->buffer_.shrink_to_fit();
    const auto place = link->place();
    idle_[place].push_back(std::move(link));
}

void EnginePool::drop(EngineLinkPtr& link) {
    link->load_->idle_connections.fetch_sub(1);
    link.reset();
}

void EnginePool::sweep() {
    const auto limit = clock_->monotonic() - k_engine_idle;
    for (auto place = idle_.begin(); place != idle_.end();) {
        auto& links = place->second;
        std::erase_if(links, [&](EngineLinkPtr& link) {
            const bool old = link->idle_since_ < limit;
            if (old) {
                drop(link);
            }
            return old;
        });
        place = links.empty() ? idle_.erase(place) : std::next(place);
    }
}

void EnginePool::clear() {
    for (auto& [path, links] : idle_) {
        std::for_each(links.begin(), links.end(), [&](EngineLinkPtr& link) { drop(link); });
    }
    idle_.clear();
}

Task<Result<std::string>> ask_engine(asio::io_context& io, core::http::Address address,
                                     std::string request, core::Duration within) {
    // Shared: the timer's handler may run after the answer was taken.
    const auto link = std::make_shared<EngineLink>(io, std::move(address));
    Timer timer(io, within);
    timer.async_wait([link](const IoError& error) {
        if (!error) {
            link->close();
        }
    });
    CO_CHECK(co_await link->connect());
    CO_CHECK(co_await link->send(request));
    while (!link->answer().done()) {
        CO_CHECK(co_await link->receive());
        if (link->answer().body().size() > k_max_answer_bytes) {
            co_return fail(Fault::too_large, "the answer is over the limit");
        }
    }
    const int status = link->answer().head().status;
    if (status != 200) {
        co_return fail(core::fault_of_http_status(status), "answered " + std::to_string(status));
    }
    co_return Result<std::string>(std::move(link->answer().body()));
}

}  // namespace sust::serve
