#pragma once

// Asio's names as the token path uses them. The one header of serve/ that shows Asio; only the
// sources that do input and output include it.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sust::serve {

namespace asio = boost::asio;
using IoError = boost::system::error_code;
// The concrete executor: the any-typed default costs an allocation and two calls per operation.
using Executor = asio::io_context::executor_type;
template <class T = void>
using Task = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> k_await{};

using ClientSocket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
// A Unix socket, or TCP to a relay.
using EngineSocket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

// Writes all of `bytes`; `progress` is told after each part.
template <class Socket, class Progress>
Task<IoError> send_all(Socket& socket, std::string_view bytes, Progress progress) {
    IoError error;
    while (!bytes.empty() && !error) {
        const auto sent = co_await socket.async_write_some(asio::buffer(bytes.data(), bytes.size()),
                                                           asio::redirect_error(k_await, error));
        bytes.remove_prefix(sent);
        progress();
    }
    co_return error;
}

}  // namespace sust::serve
