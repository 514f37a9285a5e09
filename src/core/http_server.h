#pragma once

// An HTTP server for control interfaces: bounded, callback-driven, on one event loop.
// The token path does not use it; serve/ has its own.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/event_loop.h"
#include "core/file.h"
#include "core/http.h"
#include "core/log.h"
#include "core/result.h"

namespace sust::core::http {

// Who is at the other end of a Unix socket (SO_PEERCRED); uid -1 for TCP.
struct Peer {
    std::int64_t uid = -1;
    std::int64_t pid = -1;
};

// Takes a request body piece by piece. Called on the loop. An error ends the request with it.
class BodySink {
  public:
    virtual ~BodySink() = default;
    virtual Result<void> write(std::string_view piece) = 0;
};

// One request and its one answer. Lives until answered or the client left; every call on the loop.
class Exchange {
  public:
    virtual ~Exchange() = default;
    virtual const Request& request() const = 0;  // body empty if it went to a sink
    virtual const Peer& peer() const = 0;
    virtual const std::string& request_id() const = 0;
    // The sink that took the body, if Service::open_body() gave one.
    virtual const std::shared_ptr<BodySink>& sink() const = 0;
    // Exactly one of respond(), respond_file() or stream() is called, once. X-Request-Id is added.
    // An answer to HEAD keeps its headers and loses its body.
    virtual void respond(Response response) = 0;
    // The body is the file as it is now, read piece by piece; for blobs and logs. Not there or not
    // readable: answered with that error.
    virtual void respond_file(Response head, const Path& file) = 0;
    // Sends the head with chunked encoding; then any number of send(), then end(). send() says
    // false when the client left or is too slow (its buffer of 1 MiB is full): stop sending.
    virtual void stream(Response head) = 0;
    virtual bool send(std::string_view piece) = 0;
    // Of what send() took, the bytes that still wait for the client.
    virtual std::size_t waiting() const = 0;
    virtual void end() = 0;
    // Called once when the client leaves before the answer is complete.
    virtual void on_gone(std::function<void()> callback) = 0;
};

using ExchangePtr = std::shared_ptr<Exchange>;

struct ServerOptions {
    std::size_t max_body_bytes = 8 << 20;  // one API document; blobs go to a sink
    std::size_t max_header_bytes = 16 << 10;
    std::size_t max_connections = 1024;
    Duration idle = std::chrono::seconds(75);        // between requests on a kept connection
    Duration body_stall = std::chrono::seconds(30);  // without a byte of a body or header
};

// What a server serves. All on the loop.
class Service {
  public:
    virtual ~Service() = default;
    // Called with the head of a request that has a body: a sink takes the body as it comes and
    // handle() is called after its end; null collects it into Request::body up to the limit. An
    // error is the answer, and the body is not read.
    virtual Result<std::shared_ptr<BodySink>> open_body(const ExchangePtr& exchange) = 0;
    virtual void handle(const ExchangePtr& exchange) = 0;
};

class Server {
  public:
    // A socket file left over from a dead server is replaced; a live one is conflict. Mode 0600.
    static Result<std::unique_ptr<Server>> listen_unix(EventLoop& loop, const Path& path,
                                                       Service& service, ServerOptions options,
                                                       Log log);
    // Port 0: chosen by the kernel, see port(). Address in use is conflict, naming the port.
    static Result<std::unique_ptr<Server>> listen_tcp(EventLoop& loop, std::string_view address,
                                                      std::uint16_t port, Service& service,
                                                      ServerOptions options, Log log);
    virtual ~Server() = default;
    virtual std::uint16_t port() const = 0;
    virtual std::size_t connections() const = 0;
    // Accepts no more, removes the socket file and ends idle connections; running exchanges go on
    // until the loop stops or the server is destroyed.
    virtual void stop() = 0;
};

}  // namespace sust::core::http
