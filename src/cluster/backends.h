#pragma once

// The back ends that this site has, by name, and which of them a job goes to.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/request.h"
#include "cluster/scheduler.h"

namespace sust::cluster {

// Of one alternative of a job: where it would go, or why it cannot.
struct Choice {
    Placement placement;
    std::optional<core::Error> refusal;
};

// The longest that may be, as is known now, where the request says no limit or goes on in segments.
void fit_time_limit(const JobRequest& request, const Scheduler& scheduler, const Token& token,
                    Placement& placement);

class Backends {
  public:
    Backends() = default;
    explicit Backends(Scheduler& one) { add(one); }
    // Not owned. A name that is there is replaced.
    void add(Scheduler& scheduler);

    // not_found names those that there are.
    Result<Scheduler*> find(std::string_view name) const;
    const std::map<std::string, Scheduler*, std::less<>>& all() const { return all_; }

    // Every alternative in its order. `token` is the job's, or a made-up one.
    std::vector<Choice> weigh(const JobRequest& request, const Token& token) const;
    // The first that accepts the job. invalid: none does, with each one's reason.
    Result<Placement> choose(const JobRequest& request, const Token& token) const;
    // The same for what is no job.toml: `spec` says what the job asks at a placement.
    Result<Placement> choose(const std::vector<Placement>& placements,
                             const std::function<JobSpec(const Placement&)>& spec) const;

  private:
    std::map<std::string, Scheduler*, std::less<>> all_;
};

}  // namespace sust::cluster
