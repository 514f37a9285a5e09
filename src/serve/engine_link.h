#pragma once

// Connections to engines, kept and used again by one thread: over Unix sockets on this machine,
// over TCP to the relay of a replica that is elsewhere.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/io.h"
#include "serve/view.h"
#include "serve/wire.h"

namespace sust::serve {

// One connection. Closing its socket makes every operation on it fail.
class EngineLink {
  public:
    EngineLink(asio::io_context& io, core::http::Address address)
        : socket_(io), address_(std::move(address)) {}

    // unavailable: nobody accepts within k_connect. denied: whoever does has not the relay's key.
    Task<core::Result<void>> connect();
    Task<core::Result<void>> send(std::string_view request);
    // Reads once and feeds the answer. At the end of the connection: as ResponseReader::feed_end.
    Task<core::Result<void>> receive();
    void close();

    ResponseReader& answer() { return answer_; }
    // What the pool knows the connection's other end by.
    std::string place() const;
    bool used_before() const { return used_before_; }
    // Something of the present answer has come.
    bool heard() const { return heard_; }
    bool can_be_used_again() const;

  private:
    friend class EnginePool;
    Task<core::Result<void>> connect_unix(const core::Path& path);
    Task<core::Result<void>> connect_relay(const core::http::TcpAddress& relay);
    Task<core::Result<void>> prove(const core::Secret& key);
    Task<core::Result<std::string>> read_exactly(std::size_t count);

    EngineSocket socket_;
    core::http::Address address_;
    ResponseReader answer_;
    std::string buffer_;
    std::size_t read_size_ = 4096;  // grows for large answers; ten thousand streams stay small
    bool used_before_ = false;
    bool heard_ = false;
    core::MonoTime idle_since_{};
    std::shared_ptr<ReplicaLoad> load_;
};

using EngineLinkPtr = std::unique_ptr<EngineLink>;

class EnginePool {
  public:
    // `secret` is the server's, from which the keys of relays follow.
    EnginePool(asio::io_context& io, const core::Clock& clock, const core::Secret& secret)
        : io_(&io), clock_(&clock), secret_(&secret) {}

    // An idle connection to the replica, or one that is not connected yet.
    EngineLinkPtr take(const Replica& replica);
    EngineLinkPtr fresh(const Replica& replica) const;
    // Keeps it if it can be used again and few others are idle: a connection holds a thread of
    // llama.cpp's server, which has only some more of them than slots.
    void give_back(EngineLinkPtr link, const Candidate& candidate);
    // Ends what was idle for k_engine_idle.
    void sweep();
    void clear();

  private:
    void drop(EngineLinkPtr& link);

    asio::io_context* io_;
    const core::Clock* clock_;
    const core::Secret* secret_;
    ByName<std::vector<EngineLinkPtr>> idle_;  // by place
};

// One request on a connection of its own, ended at the deadline. For the prompt counter.
Task<core::Result<std::string>> ask_engine(asio::io_context& io, core::http::Address address,
                                           std::string request, core::Duration within);

}  // namespace sust::serve
