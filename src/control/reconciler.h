#pragma once

// The tick of the control loop: facts from the back end go to runs and replicas, which decide and
// act through the back end.

#include <memory>
#include <vector>

#include "cluster/scheduler.h"
#include "control/api.h"

namespace sust::control {

class Reconciler {
  public:
    // Begins on construction; ends with its destruction. All on the loop's thread.
    Reconciler(core::EventLoop& loop, const cluster::Backends& backends, tune::Runs& runs,
               Jobs& jobs, fleet::Fleet& fleet, Api& api, core::Log log);

  private:
    void quick();
    void wake(cluster::Scheduler& scheduler);

    const cluster::Backends& backends_;
    tune::Runs& runs_;
    Jobs& jobs_;
    fleet::Fleet& fleet_;
    core::Log log_;
    std::unique_ptr<core::EventLoop::Timer> quick_, slow_, rare_;
    std::vector<std::unique_ptr<core::EventLoop::Timer>> wakes_;
};

}  // namespace sust::control
