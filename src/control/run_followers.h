#pragma once

// Those who follow a run by server-sent events: "state" (the whole run), "stage", "progress".

#include <map>
#include <memory>
#include <string>

#include "core/event_loop.h"
#include "core/http_server.h"
#include "tune/runs.h"

namespace sust::control {

class RunFollowers {
  public:
    RunFollowers(core::EventLoop& loop, tune::Runs& runs);

    // Sends the run as it is, then every change until it has ended. exhausted: 256 follow already.
    core::Result<void> add(const core::http::ExchangePtr& exchange, const tune::Run& run);
    void close();

  private:
    using Follower = std::pair<std::string, core::http::ExchangePtr>;  // run and who follows

    void tell(const tune::RunEvent& event);
    void end(std::uint64_t id);
    void keep_alive();

    core::EventLoop& loop_;
    tune::Runs& runs_;
    std::map<std::uint64_t, Follower> followers_;
    std::uint64_t next_ = 0;
    std::unique_ptr<core::EventLoop::Timer> timer_;
};

}  // namespace sust::control
