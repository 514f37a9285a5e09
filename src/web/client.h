#pragma once

// A blocking client for the HTTPS servers of others, on libcurl. Connections are kept and reused.
// Used from one thread at a time, except stop().

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/http.h"
#include "core/result.h"
#include "core/secret.h"

namespace sust::web {

using core::Duration;
using core::Result;

struct Tls {
    std::string authority{};    // PEM of who signs the server's certificate; empty: the system's
    std::string certificate{};  // PEM, ours; empty: none
    core::Secret key{};         // PEM, of our certificate
    std::string server_name{};  // that the server's certificate bears; empty: that of the address
    bool verify = true;
};

struct Server {
    std::string base;     // "https://10.0.0.1:6443", perhaps with a path; no / at its end
    std::string proxy{};  // "http://proxy:3128"; empty: none, whatever the environment says
    Tls tls{};
};

struct Bounds {
    Duration within = std::chrono::seconds(30);  // for the whole answer
    Duration stall{};                            // between two pieces of it; 0: none
    std::size_t max_bytes = 64 << 20;            // of the body, unpacked
};

class Client {
  public:
    explicit Client(const core::Clock& clock);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Statuses of 400 and over are answers. denied: the server's certificate is not the one to be
    // trusted, or ours was not taken; unavailable: nobody listens, or the connection broke;
    // timeout; too_large; invalid: the address or our certificate cannot be used.
    Result<core::http::Response> send(const Server& server, const core::http::Request& request,
                                      const Bounds& bounds);
    // Body pieces of an answer below 400 as they come; false ends it, which is no error. The answer
    // that is returned has its body only from 400 on.
    Result<core::http::Response> stream(const Server& server, const core::http::Request& request,
                                        const Bounds& bounds,
                                        const std::function<bool(std::string_view)>& on_piece);
    // Waits; false: it was stopped.
    bool pause(Duration duration);
    // From any thread: what is under way and everything after it is unavailable.
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::web
