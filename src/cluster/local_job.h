#pragma once

// One job of the local back end: what its wrapper is seen to do, and what follows from that.

#include <optional>
#include <string>
#include <vector>

#include "cluster/book.h"
#include "core/fd.h"

namespace sust::cluster {

// What all jobs of one controller share.
struct LocalContext {
    Path agent;
    Duration start_wait{};
    const core::Clock& clock;
    const core::Log& log;
    std::string boot_id;
    std::optional<std::string> hold_reason{};
    std::vector<pid_t> wrappers{};  // children of this process that were not reaped yet
};

// Reaps the wrappers that have ended.
void reap_wrappers(LocalContext& context);

class LocalJob final : public BookedJob {
  public:
    LocalJob(KeptJob kept, LocalContext& context) : BookedJob(std::move(kept)), context_(context) {}

    bool look() override;
    Result<void> stop() override;
    Result<std::int64_t> resubmit(const Orders& orders) override;

  private:
    Sight see();
    std::optional<Sight> see_wrapper();
    Sight see_unstarted();
    Sight see_abandoned();
    std::optional<Sight> see_permission();
    Sight give_up();
    Result<void> start();
    bool is_starting() const;

    LocalContext& context_;
    std::optional<AttemptWord> attempt_;
    core::Fd wrapper_;   // pidfd of the wrapper that attempt.json names
    pid_t started_ = 0;  // the wrapper that we started, until attempt.json is seen
    int tries_ = 0;
    std::string last_failure_;
    core::MonoTime next_try_{};
    std::optional<core::Deadline> ending_;  // of the rests of a dead wrapper
};

}  // namespace sust::cluster
