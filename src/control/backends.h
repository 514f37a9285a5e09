#pragma once

// The back ends that this site has, by name, and which of them a job goes to.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/request.h"
#include "cluster/scheduler.h"

namespace sust::control {

using core::Result;

// Of one alternative of a job: where it would go, or why it cannot.
struct Choice {
    cluster::Placement placement;
    std::optional<core::Error> refusal;
};

class Backends {
  public:
    // Not owned. A name that is there is replaced.
    void add(cluster::Scheduler& scheduler);

    // not_found names those that there are.
    Result<cluster::Scheduler*> find(std::string_view name) const;
    const std::map<std::string, cluster::Scheduler*, std::less<>>& all() const { return all_; }

    // Every alternative in its order. `token` is the job's, or a made-up one.
    std::vector<Choice> weigh(const cluster::JobRequest& request,
                              const cluster::Token& token) const;
    // The first that accepts the job. invalid: none does, with each one's reason.
    Result<cluster::Placement> choose(const cluster::JobRequest& request,
                                      const cluster::Token& token) const;

  private:
    std::map<std::string, cluster::Scheduler*, std::less<>> all_;
};

}  // namespace sust::control
