#pragma once

// One connection of the HTTP server: a coroutine that reads requests, hands them to the service and
// writes what it says. Internal to core; everything on the loop.

#include <memory>
#include <set>

#include "core/fd.h"
#include "core/http_server.h"

namespace sust::core::http {

class Connection {
  public:
    virtual ~Connection() = default;
    virtual void end_if_idle() = 0;
    virtual void close() = 0;
};

// What the server and its connections share; `service` is null once the server is gone.
struct Shared {
    EventLoop& loop;
    Service* service;
    ServerOptions options;
    Log log;
    std::set<Connection*> connections{};
    bool stopping = false;
};

// Serves until either side ends it.
void serve_connection(const std::shared_ptr<Shared>& shared, Fd fd, int family, Peer peer);

}  // namespace sust::core::http
