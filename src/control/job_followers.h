#pragma once

// Those who follow a job: "state" (the whole job) at every change.

#include "control/followers.h"
#include "control/jobs.h"

namespace sust::control {

class JobFollowers {
  public:
    JobFollowers(core::EventLoop& loop, Jobs& jobs);

    // Sends the job as it is, then every change until it has ended.
    core::Result<void> add(const core::http::ExchangePtr& exchange, const Job& job);
    void close() { followers_.close(); }

  private:
    Followers followers_;
};

}  // namespace sust::control
