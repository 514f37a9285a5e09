#include "cluster/simulated/site.h"

#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cluster/simulated/report.h"
#include "cluster/simulated/site_file.h"
#include "cluster/words.h"

namespace sust::cluster::simulated {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Writes down what it is told, and does nothing.
struct Told {
    std::vector<std::string> lines;
    std::vector<Finished> ended;
    std::map<std::string, Uid> job;
};
class FakeHands final : public Hands {
  public:
    explicit FakeHands(Told& told) : told_(told) {}
    void begin(const Launch& launch) override {
        told_.job[launch.token.value] = launch.job;
        told_.lines.push_back("begin " + launch.token.value + " on " + launch.nodes.front());
    }
    void stop(Uid job) override { told_.lines.push_back("stop " + std::to_string(job)); }
    void kill(Uid job) override { told_.lines.push_back("kill " + std::to_string(job)); }
    std::vector<Finished> look() override { return std::exchange(told_.ended, {}); }
    bool is_busy() const override { return false; }
    void play_begin(const Launch& launch, core::WallTime) override {
        told_.lines.push_back("play " + launch.token.value);
    }
    void play_end(const Launch& launch, const PlayedEnd& end) override {
        told_.lines.push_back(std::string(to_string(end.end)) + " " + launch.token.value);
    }

  private:
    Told& told_;
};

class Sites : public testing::Test {
  protected:
    void open(const std::string& text = "[nodes.n]\nnames = 'n[1-2]'\ncores = 4\n") {
        site_.reset();
        auto model = read_model(text, "SITE.toml");
        ASSERT_TRUE(model) << core::to_string(model.error());
        auto opened = Site::open({.model = std::make_shared<const Model>(std::move(*model)),
                                  .digest = text,
                                  .journal = folder_.path() / "journal",
                                  .hands = std::make_unique<FakeHands>(told_)},
                                 clock_, core::Log::silent());
        ASSERT_TRUE(opened) << core::to_string(opened.error());
        site_ = std::move(*opened);
    }
    std::vector<std::string> told() { return std::exchange(told_.lines, {}); }
    int submit(const std::string& token, Duration duration = 0ms) {
        Submission said{.token = {token}, .cores = 4, .limit = 1h};
        said.directory = folder_.path() / token;
        said.agent = "/agent";
        if (duration > 0ms) {
            said.duration = duration;
        }
        const auto number = site_->submit(said);
        EXPECT_TRUE(number) << core::to_string(number.error());
        site_->go_on();
        return number.value_or(0);
    }
    void pass(Duration time) {
        clock_.advance(time);
        site_->go_on();
    }
    void ends(const std::string& token, int status) {
        told_.ended.push_back({.job = told_.job.at(token), .status = status, .begun = true});
        site_->go_on();
    }
    std::string phase(int number) {
        const auto* job = site_->engine().numbered(number);
        return job == nullptr ? "absent" : std::string(to_string(job->phase));
    }

    core::ManualClock clock_;
    core::TemporaryDirectory folder_ =
        core::TemporaryDirectory::create("/tmp", "sust-site-").value();
    Told told_;
    std::unique_ptr<Site> site_;
};

TEST_F(Sites, CommandsAreBegunAndPlayedJobsHaveTheirWords) {
    open();
    submit("real");
    submit("played", 10s);
    pass(1s);
    EXPECT_THAT(told(), ElementsAre("begin real on n1", "play played"));
    pass(10s);
    EXPECT_THAT(told(), ElementsAre("completed played"));
    ends("real", 0);
    EXPECT_EQ(site_->engine().running(), 0U);
}

TEST_F(Sites, ARestartedSiteKnowsEverythingAgain) {
    open();
    const auto runs = submit("runs");
    const auto over = submit("over", 5s);
    const auto stops = submit("stops");
    const auto waits = submit("waits");
    ASSERT_TRUE(site_->hold("n2", "fan"));
    pass(10s);
    ASSERT_TRUE(site_->release("n2"));
    pass(1s);
    ASSERT_TRUE(site_->cancel(stops, ""));
    const auto digest = site_->engine().log().digest;
    (void)told();
    open();
    EXPECT_EQ(site_->engine().log().digest, digest);
    EXPECT_EQ(phase(runs), "running");
    EXPECT_EQ(phase(over), "ended");
    EXPECT_EQ(phase(stops), "stopping");
    EXPECT_EQ(phase(waits), "waiting");
    // The hands find out by themselves what is there already.
    EXPECT_THAT(told(),
                ElementsAre("begin runs on n1", "completed over", "begin stops on n2", "stop 3"));
    ends("runs", 3);
    EXPECT_THAT(told(), ElementsAre("begin waits on n1"));
}

TEST_F(Sites, WhileASiteIsAwayItsCommandsGoOnAndNothingIsStarted) {
    open();
    submit("one", 5s);
    submit("two");
    const auto next = submit("next");
    (void)told();
    site_.reset();
    clock_.advance(31s);
    open();
    EXPECT_THAT(told(), ElementsAre("completed one", "begin two on n2"));
    site_->go_on();
    EXPECT_THAT(told(), ElementsAre("begin next on n1"));
    EXPECT_EQ(site_->engine().numbered(next)->allocated, 31s) << "not in its absence";
}

TEST_F(Sites, ALineThatWasCutOffIsLeftOutAndTheNextOneIsWhole) {
    open();
    submit("one");
    site_.reset();
    {
        std::ofstream file(folder_.path() / "journal", std::ios::app);
        file << R"({"at":5000,"do":"subm)";
    }
    open();
    submit("two");
    open();
    EXPECT_EQ(site_->engine().listed().size(), 2U);
}

TEST_F(Sites, AJournalOfAnotherSiteOrAnotherProcessIsRefused) {
    open();
    auto model = read_model("[nodes.n]\nnames = 'n1'\n", "SITE.toml").value();
    const auto shared = std::make_shared<const Model>(std::move(model));
    const auto again = [&](const std::string& digest) {
        const auto opened = Site::open({.model = shared,
                                        .digest = digest,
                                        .journal = folder_.path() / "journal",
                                        .hands = std::make_unique<FakeHands>(told_)},
                                       clock_, core::Log::silent());
        return opened ? std::string() : core::to_string(opened.error());
    };
    EXPECT_THAT(again("x"), HasSubstr("another process"));
    site_.reset();
    EXPECT_THAT(again("x"), HasSubstr("another SITE.toml"));
}

TEST_F(Sites, ANumberThatIsSomebodyElsesIsNotCancelled) {
    open();
    const auto number = submit("mine");
    ASSERT_TRUE(site_->cancel(number, "another"));
    ASSERT_TRUE(site_->cancel(4711, "mine"));
    EXPECT_EQ(phase(number), "running");
    ASSERT_TRUE(site_->cancel(number, "mine"));
    EXPECT_EQ(phase(number), "stopping");
}

TEST_F(Sites, AScaledClockIsFasterAndACommandHasItsOwnTime) {
    open("clock = 'scaled'\nfactor = 60\n[nodes.n]\nnames = 'n[1-2]'\ncores = 4\n");
    submit("played", 5min);
    Submission said{.token = {"real"}, .cores = 4, .limit = 10s};
    said.directory = said.agent = "/x";
    ASSERT_TRUE(site_->submit(said));
    pass(1s);
    EXPECT_EQ(site_->engine().now(), 1min);
    pass(4s);
    EXPECT_THAT(told(), ElementsAre("play played", "begin real on n2", "completed played"));
    pass(4s);
    EXPECT_THAT(told(), IsEmpty());
    pass(1s);
    EXPECT_THAT(told(), ElementsAre("stop 2")) << "after ten real seconds";
}

TEST_F(Sites, AManualClockMovesWhenToldAndComesBackWhereItWas) {
    open("clock = 'manual'\n[nodes.n]\nnames = 'n[1-2]'\ncores = 4\n");
    const auto job = submit("job", 1h);
    pass(5h);
    EXPECT_EQ(phase(job), "starting");
    EXPECT_TRUE(site_->advance(30min).value());
    EXPECT_EQ(phase(job), "running");
    open("clock = 'manual'\n[nodes.n]\nnames = 'n[1-2]'\ncores = 4\n");
    EXPECT_EQ(site_->engine().now(), 30min);
    EXPECT_TRUE(site_->advance(61min).value());
    EXPECT_EQ(phase(job), "ended");
}

TEST_F(Sites, AJobHasItsWordsHoweverLongAgoItIsForgotten) {
    open("clock = 'manual'\nkeep_ended = '1s'\n[nodes.n]\nnames = 'n1'\ncores = 4\n");
    submit("job", 1h);
    EXPECT_TRUE(site_->advance(1000h).value());
    EXPECT_THAT(told(), ElementsAre("play job", "completed job"));
    EXPECT_THAT(site_->engine().listed(), IsEmpty());
}

TEST_F(Sites, MishapsAreInjectedAndBadOnesChangeNothing) {
    open();
    submit("job");
    (void)told();
    EXPECT_FALSE(site_->inject(R"({"do":"explode"})"));
    EXPECT_FALSE(site_->inject(R"({"do":"outage","fro":"1m"})"));
    EXPECT_FALSE(site_->inject("{"));
    EXPECT_THAT(told(), IsEmpty());
    ASSERT_TRUE(site_->inject(R"({"do":"lose_nodes","nodes":"n1"})"));
    EXPECT_THAT(told(), ElementsAre("kill 1"));
}

TEST_F(Sites, WhatCouldNeverRunIsRefused) {
    open(
        "[nodes.n]\nnames = 'n[1-2]'\ncores = 4\n[account.a]\n[partition.p]\nlongest = '1h'\n"
        "accounts = ['a']\n");
    Submission good{.token = {"job"}, .account = "a", .limit = 1h};
    good.directory = good.agent = "/x";
    const auto refused = [&](auto change) {
        auto said = good;
        change(said);
        const auto number = site_->submit(said);
        return number ? std::string() : core::to_string(number.error());
    };
    EXPECT_THAT(refused([](auto& said) { said.nodes = 3; }), HasSubstr("so many nodes"));
    EXPECT_THAT(refused([](auto& said) { said.cores = 5; }), HasSubstr("so many nodes"));
    EXPECT_THAT(refused([](auto& said) { said.gpus.count = 1; }), HasSubstr("so many nodes"));
    EXPECT_THAT(refused([](auto& said) { said.partition = "q"; }), HasSubstr("no partition"));
    EXPECT_THAT(refused([](auto& said) { said.account = ""; }), HasSubstr("may not use"));
    EXPECT_THAT(refused([](auto& said) { said.limit = 2h; }), HasSubstr("time limit"));
    EXPECT_THAT(refused([](auto& said) { said.agent = "agent"; }), HasSubstr("absolute"));
    EXPECT_EQ(refused([](auto&) {}), "");
}

TEST_F(Sites, AReportTellsWhatBecameOfItsJobs) {
    open("clock = 'manual'\n[nodes.n]\nnames = 'n[1-2]'\ncores = 4\n");
    submit("one", 1h);
    submit("two", 1h);
    submit("three", 1h);
    ASSERT_TRUE(site_->advance(90min).value());
    const auto report = report_json(site_->engine());
    EXPECT_EQ(report["jobs"]["running"], 1);
    EXPECT_EQ(report["ended"]["completed"], 2);
    EXPECT_EQ(report["wait_seconds"]["most"], 3600.0);
    EXPECT_NEAR(report["used"].get<double>(), 2.5 / 3, 1e-6);
    const auto events = events_json(site_->engine(), 3, 2);
    EXPECT_EQ(events["events"].size(), 2U);
    EXPECT_EQ(events["events"][0]["sequence"], 4);
}

}  // namespace
}  // namespace sust::cluster::simulated
