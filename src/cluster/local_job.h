#pragma once

// One job of the local back end: what its wrapper is seen to do, and what follows from that.

#include <optional>
#include <string>
#include <vector>

#include "cluster/book.h"
#include "cluster/principals.h"
#include "cluster/share.h"
#include "core/fd.h"

namespace sust::cluster {

// What all jobs of one controller share.
struct LocalContext {
    Path agent;
    Duration start_wait{};
    const core::Clock& clock;
    const core::Log& log;
    std::string boot_id;
    Shares shares;
    Path cgroup{};    // where wrappers make groups for limits of memory; empty: nowhere
    core::Fd wake{};  // an epoll of the processes whose end is to be seen
    Principals principals{};
    Path shares_of_others{};  // a file a job of a principal: what it has, as we know it
    bool opening = false;     // not everybody is in line yet
    std::optional<std::string> hold_reason{};
    std::vector<pid_t> wrappers{};  // children of this process that were not reaped yet
};

// Reaps the wrappers that have ended.
void reap_wrappers(LocalContext& context);

class LocalJob final : public BookedJob {
  public:
    LocalJob(KeptJob kept, LocalContext& context) : BookedJob(std::move(kept)), context_(context) {}
    ~LocalJob() override { context_.shares.leave(status().token); }

    // What it asks of the machine; of its specification as it was read.
    Claim claim() const;

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
    Path share_file() const;
    void recall_share();
    Result<void> keep_share(const Share& share) const;
    Result<core::ActAs> act_as_ourselves() const;
    Duration longest_from_now();
    std::optional<Sight> take_share();
    void give_back();
    void wake_at_end_of(const core::Fd& process);
    Result<void> start();
    bool is_starting() const;
    Result<const Principal*> starts_as() const;

    LocalContext& context_;
    std::optional<AttemptWord> attempt_;
    std::optional<Share> share_;
    bool recalled_ = false;  // whether an earlier controller gave it a share
    core::Fd wrapper_;       // pidfd of the wrapper that attempt.json names
    core::Fd child_;         // of the one that we started
    pid_t started_ = 0;      // the wrapper that we started, until attempt.json is seen
    int tries_ = 0;
    std::string last_failure_;
    core::MonoTime next_try_{};
    std::optional<core::Deadline> ending_;  // of the rests of a dead wrapper
};

}  // namespace sust::cluster
