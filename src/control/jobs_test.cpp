#include "control/jobs.h"

#include <deque>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cluster/fake_scheduler.h"
#include "control/migrations.h"

namespace sust::control {
namespace {

using namespace std::chrono_literals;
using cluster::End;
using cluster::State;
using core::Fault;
using testing::ElementsAre;
using testing::HasSubstr;

class Picky final : public cluster::FakeScheduler {
  public:
    // Of submit_all: until write_down(), nothing is answered.
    bool later = false;
    std::vector<std::size_t> sets;  // how many jobs each had
    std::deque<std::function<void()>> writing;
    void write_down() {
        auto next = std::move(writing.front());
        writing.pop_front();
        next();
    }
    void submit_all(std::vector<cluster::JobSpec> specs,
                    std::function<void(std::vector<core::Result<void>>)> then) override {
        sets.push_back(specs.size());
        auto write = [this, specs, then] { FakeScheduler::submit_all(specs, then); };
        if (later) {
            writing.emplace_back(std::move(write));
        } else {
            write();
        }
    }
    std::string called = "local";
    std::optional<core::Error> refusal;
    std::optional<core::Error> trouble;  // of submit, until it is taken away
    cluster::Orders orders;
    std::optional<core::Duration> longest_limit;

    std::string_view name() const override { return called; }
    std::optional<core::Duration> longest(const cluster::JobSpec&) const override {
        return longest_limit;
    }
    core::Result<void> accepts(const cluster::JobSpec&) const override {
        return refusal ? core::Result<void>(tl::unexpected<core::Error>(*refusal))
                       : core::Result<void>();
    }
    core::Result<void> submit(const cluster::JobSpec& spec) override {
        return trouble ? core::Result<void>(tl::unexpected<core::Error>(*trouble))
                       : FakeScheduler::submit(spec);
    }
    core::Result<std::int64_t> resubmit(const cluster::Token& token,
                                        const cluster::Orders& said) override {
        orders = said;
        return FakeScheduler::resubmit(token, said);
    }
};

class JobsTest : public testing::Test {
  protected:
    JobsTest() : database_(core::Database::open_in_memory().value()) {
        EXPECT_TRUE(migrate(database_));
        backends_.add(local_);
        restart();
    }

    // As after kill -9: what was not kept is gone.
    void restart() {
        jobs_.emplace(Jobs::open({.database = database_,
                                  .backends = backends_,
                                  .clock = clock_,
                                  .log = core::Log::silent(),
                                  .places = {},
                                  .root = {},
                                  .store = store_,
                                  .offload = {}})
                          .value());
    }
    std::string submit(std::string_view text) { return jobs_->submit(request(text)).value().id; }
    static cluster::JobRequest request(std::string_view text) {
        return cluster::read_request(core::TomlTable::parse(text, "job.toml").value()).value();
    }
    void finish(const std::string& id, End end, std::optional<int> status = {}) {
        local_.finish(id, end, std::string(to_string(end)), status);
        jobs_->on_job(local_.job(id).status);
    }
    Job show(const std::string& id) { return jobs_->show(id).value(); }

    core::ManualClock clock_;
    core::TemporaryDirectory home_ =
        core::TemporaryDirectory::create(std::filesystem::temp_directory_path(), "jobs-").value();
    store::Store store_ = store::Store::open(home_.path() / "store", clock_).value();
    core::Database database_;
    Picky local_;
    cluster::Backends backends_;
    std::optional<Jobs> jobs_;
};

TEST_F(JobsTest, AJobIsPlannedGivenToItsBackEndAndEndsAsItsAttempt) {
    const auto id = submit("command = ['true']");
    EXPECT_EQ(show(id).phase, JobPhase::active);
    EXPECT_TRUE(local_.jobs.contains(id));
    finish(id, End::failed, 3);
    const auto job = show(id);
    EXPECT_EQ(end_of(job), End::failed);
    const nlohmann::json told = job;
    EXPECT_EQ(told["state"], "ended");
    EXPECT_EQ(told["end"], "failed");
    EXPECT_EQ(told["exit_status"], 3);
    EXPECT_EQ(told["final"], true);
    restart();
    EXPECT_EQ(nlohmann::json(show(id)), told);
}

TEST_F(JobsTest, WhatComesWhileOthersAreWrittenDownIsGivenTogether) {
    local_.later = true;
    std::vector<std::string> ids;
    for (int i = 0; i < 40; ++i) {
        ids.push_back(submit("command = ['true']"));
        jobs_->tick();
    }
    EXPECT_THAT(local_.sets, ElementsAre(1, 1));
    EXPECT_EQ(show(ids[0]).phase, JobPhase::planned) << "its back end has not said that it has it";
    local_.write_down();
    EXPECT_EQ(show(ids[0]).phase, JobPhase::active);
    EXPECT_EQ(show(ids[1]).phase, JobPhase::planned);
    EXPECT_THAT(local_.sets, ElementsAre(1, 1, 32));
    while (!local_.writing.empty()) {
        local_.write_down();
    }
    EXPECT_THAT(local_.sets, ElementsAre(1, 1, 32, 6));
    for (const auto& id : ids) {
        EXPECT_EQ(show(id).phase, JobPhase::active);
    }
    local_.later = false;
    restart();
    jobs_->tick();
    EXPECT_EQ(local_.sets.size(), 4U) << "they are kept as given";
    EXPECT_EQ(local_.jobs.size(), 40U);
}

TEST_F(JobsTest, AControllerThatIsKilledWhileAJobIsWrittenDownGivesItOnce) {
    local_.later = true;
    const auto half = submit("command = ['true']");
    const auto whole = submit("command = ['true']");
    local_.writing.pop_front();
    cluster::JobSpec spec{.token = {whole}, .argv = {"true"}};
    ASSERT_TRUE(local_.submit(spec)) << "written down, and nobody heard of it";
    local_.writing.clear();
    local_.later = false;
    local_.sets.clear();
    restart();
    jobs_->tick();
    EXPECT_THAT(local_.sets, ElementsAre(1)) << "the other one is there";
    EXPECT_EQ(show(half).phase, JobPhase::active);
    EXPECT_EQ(show(whole).phase, JobPhase::active);
    EXPECT_EQ(local_.jobs.size(), 2U);
}

TEST_F(JobsTest, AJobThatIsCancelledWhileItIsWrittenDownIsCancelledThen) {
    local_.later = true;
    const auto id = submit("command = ['true']");
    ASSERT_TRUE(jobs_->cancel(id));
    jobs_->tick();
    EXPECT_EQ(show(id).phase, JobPhase::planned) << "its back end has it or not: it is not known";
    EXPECT_FALSE(jobs_->remove(id));
    local_.write_down();
    jobs_->tick();
    EXPECT_EQ(end_of(show(id)), End::cancelled);
    EXPECT_EQ(local_.job(id).cancels, 1);
}

TEST_F(JobsTest, OneOfASetThatIsRefusedDoesNotHoldTheOthers) {
    local_.later = true;
    (void)submit("command = ['true']");
    (void)submit("command = ['true']");
    const auto bad = submit("command = ['true']");
    const auto good = submit("command = ['true']");
    local_.write_down();
    ASSERT_EQ(local_.sets.back(), 2U);
    // It is there already, as another one.
    ASSERT_TRUE(local_.submit({.token = {bad}, .argv = {"false"}}));
    while (!local_.writing.empty()) {
        local_.write_down();
    }
    EXPECT_EQ(end_of(show(bad)), End::start_failed);
    EXPECT_THAT(show(bad).trouble, HasSubstr("another specification"));
    EXPECT_EQ(show(good).phase, JobPhase::active);
}

TEST_F(JobsTest, AKilledControllerGoesOnWithWhatWasKept) {
    const auto id = submit("command = ['true']");
    restart();
    local_.finish(id, End::completed);
    jobs_->tick();
    EXPECT_EQ(end_of(show(id)), End::completed);
}

TEST_F(JobsTest, ALossIsTriedAgainAfterItsBackOffOnOtherNodes) {
    const auto id = submit("command = ['x']\n[retry]\ncount = 1\nback_off = '30s'");
    local_.job(id).status.nodes = {"n7"};
    finish(id, End::node_lost);
    EXPECT_EQ(show(id).phase, JobPhase::pausing);
    EXPECT_THAT(nlohmann::json(show(id))["reason"].get<std::string>(), HasSubstr("retry 1 of 1"));
    jobs_->tick();
    EXPECT_EQ(local_.job(id).status.epoch, 1) << "not before its time";
    clock_.advance(31s);
    restart();
    jobs_->tick();
    EXPECT_EQ(local_.job(id).status.epoch, 2);
    EXPECT_THAT(local_.orders.exclude_nodes, ElementsAre("n7"));
    finish(id, End::node_lost);
    const auto job = show(id);
    EXPECT_EQ(end_of(job), End::node_lost);
    EXPECT_EQ(job.attempts.size(), 2U);
}

TEST_F(JobsTest, AControllerKilledBetweenDecisionAndActMakesOneAttemptAndNotTwo) {
    const auto id = submit("command = ['x']\n[retry]\ncount = 5\nback_off = '0s'");
    finish(id, End::preempted);
    EXPECT_EQ(local_.job(id).status.epoch, 2);
    // The decision was kept, and the act is repeated by whoever comes next.
    auto& status = local_.job(id).status;
    status.epoch = 1;
    status.state = State::ended;
    status.end = End::preempted;
    restart();
    jobs_->tick();
    EXPECT_EQ(local_.job(id).status.epoch, 2);
    EXPECT_EQ(show(id).attempts.size(), 1U);
}

TEST_F(JobsTest, CancellingEndsTheAttemptAndWithItTheJob) {
    const auto id = submit("command = ['x']\n[retry]\ncount = 5");
    ASSERT_TRUE(jobs_->cancel(id));
    jobs_->on_job(local_.job(id).status);
    EXPECT_EQ(end_of(show(id)), End::cancelled);
    ASSERT_TRUE(jobs_->cancel(id)) << "an ended one is fine";
    EXPECT_EQ(jobs_->cancel("job-none").error().fault, Fault::not_found);
}

TEST_F(JobsTest, AJobThatPausesIsCancelledWithoutAnotherAttempt) {
    const auto id = submit("command = ['x']\n[retry]\ncount = 5\nback_off = '1h'");
    finish(id, End::node_lost);
    ASSERT_TRUE(jobs_->cancel(id));
    EXPECT_EQ(show(id).phase, JobPhase::ended);
    EXPECT_EQ(local_.job(id).status.epoch, 1);
}

TEST_F(JobsTest, ABackEndThatIsAwayIsTriedAgainAndOneThatRefusesIsAnEnd) {
    local_.trouble = core::Error{.fault = Fault::unavailable, .message = "no answer"};
    const auto id = submit("command = ['x']");
    EXPECT_EQ(show(id).phase, JobPhase::planned);
    EXPECT_EQ(nlohmann::json(show(id))["reason"], "no answer");
    local_.trouble.reset();
    jobs_->tick();
    EXPECT_EQ(show(id).phase, JobPhase::active);

    local_.trouble = core::Error{.fault = Fault::invalid, .message = "never"};
    const auto refused = submit("command = ['x']");
    EXPECT_EQ(end_of(show(refused)), End::start_failed);
    EXPECT_EQ(nlohmann::json(show(refused))["reason"], "never");
}

TEST_F(JobsTest, TheFirstPlacementThatAcceptsIsTaken) {
    Picky other;
    other.called = "alps";
    other.refusal = core::Error{.fault = Fault::invalid, .message = "too large"};
    backends_.add(other);
    const std::string text =
        "command = ['x']\n[[placement]]\nbackend = 'alps'\n[[placement]]\nbackend = 'local'";
    EXPECT_EQ(show(submit(text)).placement.backend, "local");
    local_.refusal = other.refusal;
    const auto refused = jobs_->submit(request(text));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("alps: too large; local: too large"));
    const auto unknown = jobs_->submit(request("command = ['x']\n[[placement]]\nbackend = 'no'"));
    EXPECT_EQ(unknown.error().fault, Fault::not_found);
    EXPECT_THAT(unknown.error().hint, HasSubstr("alps, local"));
}

TEST_F(JobsTest, ALimitThatNobodySaidIsWhatTheBackEndAllows) {
    local_.longest_limit = 1h;
    const auto unsaid = submit("command = ['x']");
    EXPECT_EQ(local_.job(unsaid).spec.time_limit, 1h);
    const auto said = submit("command = ['x']\n[time]\nlimit = '2h'");
    EXPECT_EQ(local_.job(said).spec.time_limit, 2h) << "the back end may refuse it";
    const auto segmented = submit("command = ['x']\n[time]\nlimit = '90m'\nsegments = 'auto'");
    EXPECT_EQ(local_.job(segmented).spec.time_limit, 1h);
    local_.longest_limit.reset();  // and stays so whatever is known later
    restart();
    local_.job(segmented).status.started = clock_.wall();
    local_.job(segmented).status.finished = clock_.wall() + 1h;
    finish(segmented, End::time_limit);
    EXPECT_EQ(local_.orders.time_limit, 30min);
}

TEST_F(JobsTest, WhatTheBackEndForgotHasVanished) {
    const auto id = submit("command = ['x']");
    local_.jobs.erase(id);
    jobs_->tick();
    EXPECT_EQ(end_of(show(id)), End::vanished);
}

TEST_F(JobsTest, OnlyAnEndedJobIsRemovedAndWithItsPartOfTheBackEnd) {
    const auto id = submit("command = ['x']");
    EXPECT_EQ(jobs_->remove(id).error().fault, Fault::conflict);
    finish(id, End::completed);
    ASSERT_TRUE(jobs_->remove(id));
    EXPECT_FALSE(local_.jobs.contains(id));
    EXPECT_EQ(jobs_->show(id).error().fault, Fault::not_found);
}

TEST_F(JobsTest, ListsTheNewestFirstAndByPages) {
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) {
        ids.push_back(submit("command = ['x']"));
        clock_.advance(1ms);
    }
    const auto first = jobs_->list({}, 3).value();
    ASSERT_EQ(first.size(), 3U);
    EXPECT_EQ(first.front().id, ids.back());
    EXPECT_EQ(jobs_->list(first.back().id, 3).value().size(), 2U);
}

}  // namespace
}  // namespace sust::control
