#pragma once

// For the tests of the run machine: a cluster that plays the recipes' programs, and an
// installation whose controller can be killed at any of its calls to the outside.

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "cluster/fake_scheduler.h"
#include "store/store.h"
#include "tune/runs.h"

namespace sust::tune::test {

struct Killed {};

// Counts the calls that the controller makes; at the chosen one the controller ends.
class Fuse {
  public:
    void burn() {
        if (armed_ && left_-- == 0) {
            armed_ = false;
            throw Killed();
        }
        ++calls_;
    }
    void arm(int after) {
        armed_ = true;
        left_ = after;
        calls_ = 0;
    }
    void disarm() { armed_ = false; }
    bool armed() const { return armed_; }
    int calls() const { return calls_; }

  private:
    bool armed_ = false;
    int left_ = 0;
    int calls_ = 0;
};

// Any call may be the last one that the controller makes.
class FakeCluster final : public cluster::FakeScheduler {
  public:
    explicit FakeCluster(Fuse& fuse) : fuse_(&fuse) { end_on_cancel = false; }

    // What an attempt does when it ends well; the stage's name is the token's last part.
    std::function<void(const cluster::JobSpec&)> play = [](const cluster::JobSpec&) {};

    // A job that ends well has done its work.
    void end(const std::string& token, cluster::End end, int exit_status);

    core::Result<void> submit(const cluster::JobSpec& spec) override;
    core::Result<std::int64_t> resubmit(const cluster::Token& token,
                                        const cluster::Orders& orders) override;
    core::Result<void> cancel(const cluster::Token& token) override;
    core::Result<std::optional<cluster::JobStatus>> describe(const cluster::Token& token) override;
    core::Result<void> forget(const cluster::Token& token) override;

  private:
    Fuse* fuse_;
};

// Hundreds of installations are made, and every write is synced: in memory that costs nothing.
inline core::Path memory_or_tmp() {
    return core::path_exists("/dev/shm") ? "/dev/shm" : "/tmp";
}

// One installation on disk. Its controller (Runs and the database) comes and goes.
class Installation {
  public:
    Installation();

    Runs& runs() { return *runs_; }
    void open();
    void close();
    // Ends every running job well and ticks, until nothing is at work; a killed controller is
    // opened again.
    Run drive(const std::string& id);
    Run show(const std::string& id) { return *runs_->show(id); }

    store::Digest add_model(store::Kind kind, const std::string& name,
                            const std::map<std::string, std::string>& files,
                            std::optional<store::Digest> base = {});
    RunRequest request() const {
        return {.recipe = "sft-lora",
                .base = "tiny",
                .data = "tickets",
                .evaluations = {"known"},
                .name = "triage"};
    }
    std::vector<store::Root> roots() { return *store.roots(); }

    core::TemporaryDirectory folder = *core::TemporaryDirectory::create(memory_or_tmp(), "runs");
    core::ManualClock clock;
    core::Places places{
        .config = folder.path() / "config", .data = folder.path() / "data", .bin = "/bin"};
    Fuse fuse;
    FakeCluster cluster{fuse};
    cluster::Backends backends{cluster};
    store::Store store;
    double tuned_perplexity = 24.4;
    RunsLimits limits{.min_free_bytes = 0};
    std::vector<RunEvent> events;

  private:
    void play(const cluster::JobSpec& spec);
    std::optional<core::Database> database_;
    std::unique_ptr<Runs> runs_;
};

}  // namespace sust::tune::test
