#pragma once

// One job of the local back end: what its wrapper is seen to do, and what follows from that.

#include <optional>
#include <string>
#include <vector>

#include "cluster/book.h"
#include "cluster/local_context.h"
#include "cluster/local_share.h"

namespace sust::cluster {

// Reaps the wrappers that have ended.
void reap_wrappers(LocalContext& context);

class LocalJob final : public BookedJob {
  public:
    LocalJob(KeptJob kept, LocalContext& context)
        : BookedJob(std::move(kept)), context_(context), share_(*this, context) {}

    bool look() override;
    Result<void> stop() override;
    Result<std::int64_t> resubmit(const Orders& orders) override;

  private:
    Sight see();
    std::optional<Sight> see_wrapper();
    Sight see_unstarted();
    Sight see_abandoned();
    Sight see_overdue();
    std::optional<Sight> see_permission();
    Sight end_rests(End end, std::string reason);
    Sight give_up();
    void wake_at_end_of(const core::Fd& process);
    Result<void> start();
    bool is_starting() const;
    Result<const Principal*> starts_as() const;

    LocalContext& context_;
    std::optional<AttemptWord> attempt_;
    LocalShare share_;
    core::Fd wrapper_;   // pidfd of the wrapper that attempt.json names
    core::Fd child_;     // of the one that we started
    pid_t started_ = 0;  // the wrapper that we started, until attempt.json is seen
    int tries_ = 0;
    std::string last_failure_;
    core::MonoTime next_try_{};
    std::optional<core::Deadline> ending_;  // of the rests of a dead wrapper
};

}  // namespace sust::cluster
