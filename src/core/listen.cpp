#include "core/listen.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::core {

namespace {

constexpr int k_backlog = 1024;

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Result<SocketAddress> unix_address(const Path& path) {
    sockaddr_un address{};
    const auto& text = path.native();
    if (text.size() >= sizeof address.sun_path) {
        return fail(Fault::invalid, "the path of a socket has at most 107 bytes",
                    {.where = text, .hint = "use a shorter directory"});
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, text.data(), text.size());
    SocketAddress result{.size = sizeof address};
    std::memcpy(&result.storage, &address, sizeof address);
    return result;
}

Result<SocketAddress> tcp_address(std::string_view address, std::uint16_t port) {
    const std::string text(address);
    SocketAddress result;
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        result.size = sizeof v4;
        std::memcpy(&result.storage, &v4, sizeof v4);
    } else if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        result.size = sizeof v6;
        std::memcpy(&result.storage, &v6, sizeof v6);
    } else {
        return fail(Fault::invalid, "'" + text + "' is not a literal IPv4 or IPv6 address",
                    {.hint = "use 127.0.0.1 or ::1"});
    }
    return result;
}

Result<Fd> new_socket(int family) {
    Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
        return fail_errno("socket", errno);
    }
    return fd;
}

// Takes a socket file out of the way if nobody listens on it any more.
Result<void> clear_stale_socket(const Path& path) {
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0) {
        if (errno == ENOENT) {
            return {};
        }
        return fail_errno("stat " + path.native(), errno);
    }
    if (!S_ISSOCK(found.st_mode)) {
        return fail(Fault::conflict, "something that is not a socket is in the socket's place",
                    {.where = path.native(), .hint = "move it away"});
    }
    if (const auto probe = connect_unix_socket(path);
        probe || probe.error().fault != Fault::unavailable) {
        return fail(Fault::conflict, "another server listens on this socket",
                    {.where = path.native(), .hint = "stop it first (sust down)"});
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return fail_errno("unlink " + path.native(), errno);
    }
    return {};
}

Result<void> start_listening(int fd, std::string_view what) {
    if (::listen(fd, k_backlog) != 0) {
        return fail_errno("listen on " + std::string(what), errno);
    }
    return {};
}

}  // namespace

Result<Fd> listen_unix_socket(const Path& path) {
    const auto address = TRY(unix_address(path));
    TRY(clear_stale_socket(path));
    auto fd = TRY(new_socket(AF_UNIX));
    if (::bind(fd.get(), address.get(), address.size) != 0) {
        return fail_errno("bind " + path.native(), errno);
    }
    // Nobody can connect before listen(), so the mode is right from the first connection on.
    if (::chmod(path.c_str(), 0600) != 0) {
        return fail_errno("chmod " + path.native(), errno);
    }
    TRY(start_listening(fd.get(), path.native()));
    return fd;
}

Result<Fd> listen_tcp_socket(std::string_view address, std::uint16_t port) {
    const auto where = TRY(tcp_address(address, port));
    auto fd = TRY(new_socket(where.storage.ss_family));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto name = host_and_port(address, port);
    if (::bind(fd.get(), where.get(), where.size) != 0) {
        if (errno == EADDRINUSE) {
            return fail(
                Fault::conflict, "port " + std::to_string(port) + " is in use",
                {.where = name, .hint = "choose another port, or see who has it: ss -ltnp"});
        }
        return fail_errno("bind " + name, errno);
    }
    TRY(start_listening(fd.get(), name));
    return fd;
}

Result<std::uint16_t> bound_port(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
        return fail_errno("getsockname", errno);
    }
    // Port and family have the same place in both forms.
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    return ntohs(v4.sin_port);
}

Result<Fd> connect_unix_socket(const Path& path) {
    const auto address = TRY(unix_address(path));
    auto fd = TRY(new_socket(AF_UNIX));
    if (::connect(fd.get(), address.get(), address.size) != 0) {
        const int code = errno;
        if (code == ENOENT || code == ECONNREFUSED) {
            return fail(Fault::unavailable, "nobody listens on this socket",
                        {.where = path.native()});
        }
        if (code == EAGAIN) {
            return fail(Fault::exhausted, "the server takes no more connections at the moment",
                        {.where = path.native(), .hint = "try again in a few seconds"});
        }
        return fail_errno("connect " + path.native(), code);
    }
    return fd;
}

Result<Fd> connect_tcp_socket(std::string_view address, std::uint16_t port) {
    const auto where = TRY(tcp_address(address, port));
    auto fd = TRY(new_socket(where.storage.ss_family));
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd.get(), where.get(), where.size) != 0 && errno != EINPROGRESS) {
        return fail(Fault::unavailable, "connecting failed: " + std::string(std::strerror(errno)),
                    {.where = host_and_port(address, port)});
    }
    return fd;
}

}  // namespace sust::core
