#pragma once

// A blocking HTTP/1.1 client for Unix sockets and loopback TCP, with a deadline on every call.
// For the command line, evaluation and probes; used from any one thread at a time.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "core/clock.h"
#include "core/file.h"
#include "core/http.h"
#include "core/http_events.h"
#include "core/result.h"
#include "core/secret.h"

namespace sust::core::http {

struct UnixAddress {
    Path socket;
};
struct TcpAddress {
    std::string host;  // a literal address
    std::uint16_t port = 0;
    Secret link_key{};  // of the relay that listens there (core/link_proof.h); empty: none does
};
using Address = std::variant<UnixAddress, TcpAddress>;

class Client {
  public:
    Client(const Clock& clock, Address address);
    ~Client();
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;

    // The connection is kept and reused. Statuses of 400 and over are answers, not errors;
    // unavailable: nobody listens or the connection broke. The body is bounded by max_bytes.
    Result<Response> send(const Request& request, Duration within,
                          std::size_t max_bytes = 64 << 20);
    // The body of the request is the file; nothing is held in memory.
    Result<Response> upload(Request head, const Path& file, Duration within);
    // Body pieces as they come (false from the callback ends it); `stall` bounds the wait for each.
    // The response returned has no body unless its status is 400 or over.
    Result<Response> stream(const Request& request, Duration stall,
                            const std::function<bool(std::string_view)>& on_piece);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::core::http
