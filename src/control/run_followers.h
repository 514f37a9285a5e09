#pragma once

// Those who follow a run: "state" (the whole run), "stage", "progress".

#include "control/followers.h"
#include "tune/runs.h"

namespace sust::control {

class RunFollowers {
  public:
    RunFollowers(core::EventLoop& loop, tune::Runs& runs);

    // Sends the run as it is, then every change until it has ended.
    core::Result<void> add(const core::http::ExchangePtr& exchange, const tune::Run& run);
    void close() { followers_.close(); }

  private:
    void tell(const tune::RunEvent& event);

    tune::Runs& runs_;
    Followers followers_;
};

}  // namespace sust::control
