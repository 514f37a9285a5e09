#pragma once

// Those who follow a thing by server-sent events until it has ended. On the loop's thread.

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/event_loop.h"
#include "core/http_server.h"

namespace sust::control {

class Followers {
  public:
    explicit Followers(core::EventLoop& loop);

    // Sends `first` (an encoded event); of what has ended there is nothing more to come.
    // exhausted: 256 follow already.
    enum class Ended { no, yes };
    core::Result<void> add(const core::http::ExchangePtr& exchange, const std::string& thing,
                           const std::string& first, Ended ended);
    bool has(std::string_view thing) const;
    // To those who follow it; with `ended`, their streams end behind it.
    void tell(std::string_view thing, const std::string& text, Ended ended);
    void close();

  private:
    using Follower = std::pair<std::string, core::http::ExchangePtr>;  // what, and who

    void end(std::uint64_t id);
    void keep_alive();

    std::map<std::uint64_t, Follower> followers_;
    std::uint64_t next_ = 0;
    std::unique_ptr<core::EventLoop::Timer> timer_;
};

}  // namespace sust::control
