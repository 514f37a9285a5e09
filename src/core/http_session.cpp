#include "core/http_session.h"

#include <algorithm>
#include <cerrno>
#include <exception>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>
#include <sys/socket.h>

#include "core/http_call.h"
#include "core/http_request_reader.h"
#include "core/id.h"

namespace sust::core::http {

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

using ErrorCode = boost::system::error_code;
using Protocol = asio::generic::stream_protocol;

constexpr std::size_t k_read_bytes = 64 << 10;
// One piece of a write has one stall limit, so a big answer to a slow reader is no stall.
constexpr std::size_t k_write_bytes = 256 << 10;
// An answer that comes before the end of its request's body would be lost in the reset that
// closing causes, so what still comes is read and dropped for a while.
constexpr auto k_linger = std::chrono::seconds(5);

std::string encode_head(const Response& response, std::string_view request_id, bool keep_alive) {
    std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
    out.append(beast::http::obsolete_reason(
        static_cast<beast::http::status>(static_cast<unsigned>(response.status))));
    out += "\r\n";
    for (const auto& [name, value] : response.headers.items()) {
        out.append(name).append(": ").append(value).append("\r\n");
    }
    out.append("X-Request-Id: ").append(request_id).append("\r\n");
    out += keep_alive ? "" : "Connection: close\r\n";
    return out + "\r\n";
}

class Session final : public Connection, public std::enable_shared_from_this<Session> {
  public:
    Session(std::shared_ptr<Shared> shared, Protocol::socket socket, Peer peer)
        : shared_(std::move(shared)),
          socket_(std::move(socket)),
          watchdog_(socket_.get_executor()),
          wake_(socket_.get_executor()),
          peer_(peer),
          piece_(k_read_bytes, '\0') {
        shared_->connections.insert(this);
    }
    ~Session() override { shared_->connections.erase(this); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    asio::awaitable<void> run() {
        while (co_await one_request()) {
        }
        if (call_) {
            call_->client_left();
            call_->finish();
        }
        ErrorCode ignored;
        socket_.close(ignored);
    }

    void end_if_idle() override {
        if (idle_) {
            close();
        }
    }

    void close() override {
        ErrorCode ignored;
        socket_.close(ignored);
        wake_.cancel();
    }

  private:
    enum class Filled { bytes, end, stalled };

    // The socket's operations are cancelled after `within` unless disarm() comes first.
    void arm(Duration within) {
        const auto turn = ++watch_turn_;
        timed_out_ = false;
        watchdog_.expires_after(within);
        watchdog_.async_wait([weak = weak_from_this(), turn](ErrorCode error) {
            const auto self = weak.lock();
            if (!error && self && self->watch_turn_ == turn) {
                self->timed_out_ = true;
                ErrorCode ignored;
                self->socket_.cancel(ignored);
            }
        });
    }
    void disarm() {
        ++watch_turn_;
        watchdog_.cancel();
    }

    asio::awaitable<Filled> fill(Duration within) {
        ErrorCode error;
        arm(within);
        const auto count = co_await socket_.async_read_some(
            asio::buffer(piece_), asio::redirect_error(asio::use_awaitable, error));
        disarm();
        if (timed_out_) {
            co_return Filled::stalled;
        }
        if (error) {
            co_return Filled::end;
        }
        input_.append(piece_, 0, count);
        co_return Filled::bytes;
    }

    asio::awaitable<bool> write(std::string_view bytes) {
        while (!bytes.empty()) {
            ErrorCode error;
            const auto piece = bytes.substr(0, k_write_bytes);
            arm(shared_->options.body_stall);
            co_await asio::async_write(socket_, asio::buffer(piece.data(), piece.size()),
                                       asio::redirect_error(asio::use_awaitable, error));
            disarm();
            if (error) {
                co_return false;
            }
            bytes.remove_prefix(piece.size());
        }
        co_return true;
    }

    // True: another request may follow on this connection.
    asio::awaitable<bool> one_request() {
        RequestReader reader(shared_->options.max_header_bytes);
        std::optional<Refusal> refusal;
        if (!co_await read_head(reader, refusal)) {
            co_return false;
        }
        const auto id = make_id(shared_->loop.clock(), "req-");
        call_ = std::make_shared<Call>(std::move(reader.request()), peer_, id);
        call_->changed = [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->wake_.cancel();
            }
        };
        if (!refusal && !reader.is_done()) {
            if (!co_await read_body(reader, refusal)) {
                co_return false;
            }
        }
        if (shared_->service == nullptr) {
            co_return false;
        }
        if (refusal) {
            co_await refuse(*refusal);
            co_return false;
        }
        hand_over();
        const bool keep = co_await answer(reader.keep_alive());
        if (call_) {
            call_->finish();
            call_.reset();
        }
        co_return keep && !shared_->stopping;
    }

    // False: the connection ends without a word.
    asio::awaitable<bool> read_head(RequestReader& reader, std::optional<Refusal>& refusal) {
        const auto& options = shared_->options;
        const auto& clock = shared_->loop.clock();
        // From the first byte on, the whole header has one deadline: a byte now and then is no
        // way to hold a connection.
        std::optional<Deadline> deadline;
        while (true) {
            if (!input_.empty()) {
                refusal = reader.take(input_);
                if (refusal || reader.has_head()) {
                    co_return true;
                }
                if (!deadline) {
                    deadline.emplace(clock, options.body_stall);
                }
            }
            idle_ = !deadline;
            if (idle_ && shared_->stopping) {
                co_return false;
            }
            // Said before the co_await: g++ 12 miscompiles a conditional inside one.
            auto within = options.idle;
            if (deadline) {
                within = std::max(deadline->left(), Duration(1));
            }
            const auto filled = co_await fill(within);
            idle_ = false;
            if (filled == Filled::stalled && deadline) {
                refusal = Refusal{{Fault::timeout, "the header of the request did not come"}, 408};
                co_return true;
            }
            if (filled != Filled::bytes) {
                co_return false;
            }
        }
    }

    // Chooses where the body goes; a refusal if it is not wanted.
    std::optional<Refusal> open_body(RequestReader& reader) {
        if (shared_->service == nullptr) {
            return Refusal{{Fault::unavailable, "the server stops"}};
        }
        auto opened = shared_->service->open_body(call_);
        if (!opened) {
            return Refusal{std::move(opened.error())};
        }
        if (const auto sink = std::move(*opened)) {
            call_->set_sink(sink);
            reader.on_body = [sink](std::string_view piece) { return sink->write(piece); };
            return {};
        }
        const auto limit = shared_->options.max_body_bytes;
        const Error too_large{Fault::too_large, "the body of the request is over " +
                                                    std::to_string(limit) + " bytes"};
        if (const auto length = reader.content_length(); length && *length > limit) {
            return Refusal{too_large};
        }
        reader.on_body = [limit, too_large, call = call_](std::string_view piece) -> Result<void> {
            auto& body = call->mutable_request().body;
            if (body.size() + piece.size() > limit) {
                return tl::unexpected<Error>(too_large);
            }
            body.append(piece);
            return {};
        };
        return {};
    }

    asio::awaitable<bool> read_body(RequestReader& reader, std::optional<Refusal>& refusal) {
        refusal = open_body(reader);
        if (refusal) {
            co_return true;
        }
        if (call_->request().headers.get("Expect")) {
            if (!co_await write("HTTP/1.1 100 Continue\r\n\r\n")) {
                co_return false;
            }
        }
        while (true) {
            refusal = reader.take(input_);
            if (refusal || reader.is_done()) {
                break;
            }
            const auto filled = co_await fill(shared_->options.body_stall);
            if (filled == Filled::stalled) {
                refusal = Refusal{{Fault::timeout, "the body of the request did not come"}, 408};
                co_return true;
            }
            if (filled == Filled::end) {
                co_return false;
            }
        }
        reader.on_body = nullptr;
        co_return true;
    }

    // A library's exception that nobody expected ends one request and not the program.
    void hand_over() {
        try {
            shared_->service->handle(call_);
        } catch (const std::exception& error) {
            shared_->log.error("a handler threw", {{"target", call_->request().target},
                                                   {"error", error.what()},
                                                   {"request_id", call_->request_id()}});
            if (!call_->begun()) {
                call_->respond(error_response({Fault::internal, "a defect of the server"},
                                              call_->request_id()));
            }
        }
    }

    asio::awaitable<void> refuse(Refusal refusal) {
        auto response = error_response(refusal.error, call_->request_id());
        if (refusal.status != 0) {
            response.status = refusal.status;
        }
        call_->respond(std::move(response));
        if (!co_await answer(false)) {
            co_await linger();
        }
    }

    asio::awaitable<void> linger() {
        ErrorCode ignored;
        socket_.shutdown(Protocol::socket::shutdown_send, ignored);
        const Deadline deadline(shared_->loop.clock(), k_linger);
        while (!ignored && !deadline.passed() && !shared_->stopping) {
            input_.clear();
            if (co_await fill(std::max(deadline.left(), Duration(1))) != Filled::bytes) {
                break;
            }
        }
    }

    // Writes what the handler says until it is complete. False: the connection must end.
    asio::awaitable<bool> answer(bool keep_alive) {
        const auto call = call_;
        watch_for_leaving();
        while (!call->begun() && !call->gone()) {
            co_await sleep_until_woken();
        }
        if (call->gone() ||
            !co_await write(encode_head(call->head(), call->request_id(), keep_alive))) {
            call->client_left();
            co_return false;
        }
        while (!call->gone() && !call->overflowed()) {
            if (call->has_output()) {
                if (!co_await write(call->take_output())) {
                    call->client_left();
                }
            } else if (call->file_left() > 0) {
                const auto piece = call->read_file_piece();
                if (piece.empty() || !co_await write(piece)) {
                    call->client_left();
                }
            } else if (call->ended()) {
                log_answer(*call);
                co_return keep_alive;
            } else {
                co_await sleep_until_woken();
            }
        }
        call->client_left();
        co_return false;
    }

    asio::awaitable<void> sleep_until_woken() {
        ErrorCode ignored;
        wake_.expires_at(asio::steady_timer::time_point::max());
        co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (!socket_.is_open() && call_) {
            call_->client_left();
        }
    }

    // While an answer is awaited nothing is read, so the client's end is looked for. A client that
    // has already sent its next request is not watched; writing to it will tell.
    void watch_for_leaving() {
        if (watching_) {
            return;
        }
        watching_ = true;
        socket_.async_wait(Protocol::socket::wait_read, [weak = weak_from_this()](ErrorCode error) {
            const auto self = weak.lock();
            if (!self) {
                return;
            }
            self->watching_ = false;
            if (error || !self->call_ || !self->socket_.is_open()) {
                return;
            }
            char byte = 0;
            const auto count =
                ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
            if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
                self->call_->client_left();
            } else if (count < 0) {
                self->watch_for_leaving();
            }
        });
    }

    void log_answer(const Call& call) const {
        shared_->log.debug("answered", {{"method", call.request().method},
                                        {"target", call.request().target},
                                        {"status", std::to_string(call.head().status)},
                                        {"request_id", call.request_id()}});
    }

    std::shared_ptr<Shared> shared_;
    Protocol::socket socket_;
    asio::steady_timer watchdog_;
    asio::steady_timer wake_;
    Peer peer_;
    std::string piece_;
    std::string input_;  // read, not yet parsed
    std::shared_ptr<Call> call_;
    std::uint64_t watch_turn_ = 0;
    bool timed_out_ = false;
    bool idle_ = false;
    bool watching_ = false;
};

}  // namespace

void serve_connection(const std::shared_ptr<Shared>& shared, Fd fd, int family, Peer peer) {
    auto& context = shared->loop.context();
    Protocol::socket socket(context, Protocol(family, 0), fd.release());
    const auto session = std::make_shared<Session>(shared, std::move(socket), peer);
    asio::co_spawn(
        context, [session]() -> asio::awaitable<void> { co_await session->run(); }, asio::detached);
}

}  // namespace sust::core::http
