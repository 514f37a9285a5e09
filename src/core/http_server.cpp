#include "core/http_server.h"

#include <cerrno>
#include <set>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/http_session.h"
#include "core/listen.h"

namespace sust::core::http {

namespace asio = boost::asio;

namespace {

using ErrorCode = boost::system::error_code;
using Protocol = asio::generic::stream_protocol;

constexpr auto k_accept_pause = std::chrono::milliseconds(100);

Peer peer_of(int fd, int family) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (family != AF_UNIX || ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return {};
    }
    return {.uid = credentials.uid, .pid = credentials.pid};
}

class Listener final : public Server {
  public:
    Listener(EventLoop& loop, Fd fd, int family, Service& service, ServerOptions options, Log log)
        : shared_(std::make_shared<Shared>(Shared{loop, &service, options, std::move(log)})),
          acceptor_(std::make_shared<Acceptor>(loop.context())),
          family_(family) {
        acceptor_->assign(Protocol(family, 0), fd.release());
        accept(acceptor_, shared_, family_);
    }

    ~Listener() override {
        stop();
        shared_->service = nullptr;
        for (auto* connection : std::set<Connection*>(shared_->connections)) {
            connection->close();
        }
    }

    std::uint16_t port() const override { return port_; }
    std::size_t connections() const override { return shared_->connections.size(); }
    void stop() override {
        if (shared_->stopping) {
            return;
        }
        shared_->stopping = true;
        ErrorCode ignored;
        acceptor_->close(ignored);
        remove_socket_file();
        for (auto* connection : std::set<Connection*>(shared_->connections)) {
            connection->end_if_idle();
        }
    }

    // Of a Unix socket: the file that stop() removes, if it still is the one made here.
    void owns_file(const Path& path) {
        path_ = path;
        ::lstat(path.c_str(), &made_);
    }
    void set_port(std::uint16_t port) { port_ = port; }

  private:
    using Acceptor = asio::basic_socket_acceptor<Protocol>;

    static void accept(std::shared_ptr<Acceptor> acceptor, std::shared_ptr<Shared> shared,
                       int family) {
        auto& reference = *acceptor;
        reference.async_accept([acceptor = std::move(acceptor), shared = std::move(shared), family](
                                   ErrorCode error, Protocol::socket socket) mutable {
            if (shared->stopping || error == asio::error::operation_aborted) {
                return;
            }
            if (error) {
                pause(std::move(acceptor), std::move(shared), family, error);
                return;
            }
            begin(shared, std::move(socket), family);
            accept(std::move(acceptor), std::move(shared), family);
        });
    }

    // Out of descriptors: connections wait in the backlog until some are free again.
    static void pause(std::shared_ptr<Acceptor> acceptor, std::shared_ptr<Shared> shared,
                      int family, ErrorCode error) {
        shared->log.warn("accept failed", {{"error", error.message()}});
        auto timer = std::make_shared<asio::steady_timer>(shared->loop.context(), k_accept_pause);
        auto& reference = *timer;
        reference.async_wait([timer = std::move(timer), acceptor = std::move(acceptor),
                              shared = std::move(shared), family](ErrorCode) mutable {
            if (!shared->stopping) {
                accept(std::move(acceptor), std::move(shared), family);
            }
        });
    }

    static void begin(const std::shared_ptr<Shared>& shared, Protocol::socket socket, int family) {
        const auto peer = peer_of(socket.native_handle(), family);
        if (shared->connections.size() >= shared->options.max_connections) {
            static constexpr std::string_view k_full =
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
                "Connection: close\r\n\r\n";
            (void)::send(socket.native_handle(), k_full.data(), k_full.size(),
                         MSG_DONTWAIT | MSG_NOSIGNAL);
            shared->log.warn("connection refused: the limit is reached",
                             {{"limit", std::to_string(shared->options.max_connections)}});
            return;
        }
        serve_connection(shared, Fd(socket.release()), family, peer);
    }

    void remove_socket_file() {
        struct stat now {};
        if (!path_.empty() && ::lstat(path_.c_str(), &now) == 0 && now.st_ino == made_.st_ino &&
            now.st_dev == made_.st_dev) {
            ::unlink(path_.c_str());
        }
    }

    std::shared_ptr<Shared> shared_;
    std::shared_ptr<Acceptor> acceptor_;
    int family_;
    Path path_;
    struct stat made_ {};
    std::uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::listen_unix(EventLoop& loop, const Path& path,
                                                    Service& service, ServerOptions options,
                                                    Log log) {
    auto fd = TRY(listen_unix_socket(path));
    auto server =
        std::make_unique<Listener>(loop, std::move(fd), AF_UNIX, service, options, std::move(log));
    server->owns_file(path);
    return server;
}

Result<std::unique_ptr<Server>> Server::listen_tcp(EventLoop& loop, std::string_view address,
                                                   std::uint16_t port, Service& service,
                                                   ServerOptions options, Log log) {
    auto fd = TRY(listen_tcp_socket(address, port));
    const auto chosen = TRY(bound_port(fd.get()));
    const int family = address.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
    auto server =
        std::make_unique<Listener>(loop, std::move(fd), family, service, options, std::move(log));
    server->set_port(chosen);
    return server;
}

}  // namespace sust::core::http
