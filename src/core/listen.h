#pragma once

// Listening sockets, before any event loop has them.

#include <cstdint>
#include <string_view>

#include "core/fd.h"
#include "core/file.h"
#include "core/result.h"

namespace sust::core {

// Not blocking, close-on-exec. The socket file has mode 0600. A file left over from a dead server
// is replaced; a live server and anything that is not a socket are conflict.
Result<Fd> listen_unix_socket(const Path& path);
// `address` is literal (IPv4 or IPv6). Port 0: chosen by the kernel. Address in use is conflict,
// naming the port.
Result<Fd> listen_tcp_socket(std::string_view address, std::uint16_t port);
Result<std::uint16_t> bound_port(int fd);

// A connected Unix socket, not blocking. unavailable: nobody listens (absent or left over);
// exhausted: its backlog is full.
Result<Fd> connect_unix_socket(const Path& path);
// The connection may still be in progress: writable when it is decided (SO_ERROR).
Result<Fd> connect_tcp_socket(std::string_view address, std::uint16_t port);

}  // namespace sust::core
