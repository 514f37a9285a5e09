#include "control/job_decision.h"

#include <gmock/gmock.h>

namespace sust::control {
namespace {

using namespace std::chrono_literals;
using cluster::End;
using What = Decision::What;

Job job_of(std::string_view text) {
    Job job{.id = "job-1"};
    job.request = cluster::read_request(core::TomlTable::parse(text, "job.toml").value()).value();
    return job;
}

void add_attempt(Job& job, End end, core::Duration ran = 1min, const std::string& node = "n1") {
    const core::WallTime began{1h};
    job.attempts.push_back({.epoch = static_cast<std::int64_t>(job.attempts.size()) + 1,
                            .end = end,
                            .nodes = {node},
                            .started = began,
                            .finished = began + ran});
}

TEST(Decision, WithoutARetryEveryEndIsTheEnd) {
    for (int end = 0; end <= static_cast<int>(End::vanished); ++end) {
        auto job = job_of("command = ['x']");
        add_attempt(job, static_cast<End>(end));
        EXPECT_EQ(decide(job, {}).what, What::end);
    }
}

TEST(Decision, LossesAreTriedAgainAsOftenAsIsSaidAndLaterEachTime) {
    auto job = job_of("command = ['x']\n[retry]\ncount = 3\nback_off = '10s'");
    for (const auto pause : {10s, 20s, 40s}) {
        add_attempt(job, End::node_lost);
        const auto decision = decide(job, {});
        EXPECT_EQ(decision.what, What::retry);
        EXPECT_EQ(decision.pause, pause);
        ++job.retries;
    }
    add_attempt(job, End::node_lost);
    EXPECT_EQ(decide(job, {}).what, What::end);
}

TEST(Decision, OnlyTheEndsThatAreNamedAreTriedAgain) {
    auto job = job_of("command = ['x']\n[retry]\ncount = 3\non = ['failed']");
    add_attempt(job, End::node_lost);
    EXPECT_EQ(decide(job, {}).what, What::end);
    add_attempt(job, End::failed);
    EXPECT_EQ(decide(job, {}).what, What::retry);
    add_attempt(job, End::completed);
    EXPECT_EQ(decide(job, {}).what, What::end);
}

TEST(Decision, ABackOffNeverGrowsBeyondAnHourOrWhatIsSaid) {
    auto job = job_of("command = ['x']\n[retry]\ncount = 1000\nback_off = '2h'");
    add_attempt(job, End::preempted);
    job.retries = 900;
    EXPECT_EQ(decide(job, {}).pause, 2h);
    job = job_of("command = ['x']\n[retry]\ncount = 1000\nback_off = '1s'");
    add_attempt(job, End::preempted);
    job.retries = 900;
    EXPECT_EQ(decide(job, {}).pause, 1h);
}

TEST(Decision, SegmentsGoOnUntilTheTimeIsUsedAndAreNoRetries) {
    auto job = job_of("command = ['x']\n[time]\nlimit = '150m'\nsegments = '1h'");
    add_attempt(job, End::time_limit, 1h);
    EXPECT_EQ(decide(job, {}).what, What::segment);
    EXPECT_EQ(decide(job, {}).pause, 0s);
    EXPECT_EQ(next_time_limit(job, {}), 1h);
    add_attempt(job, End::time_limit, 1h);
    EXPECT_EQ(decide(job, {}).what, What::segment);
    EXPECT_EQ(next_time_limit(job, {}), 30min) << "what is left";
    add_attempt(job, End::time_limit, 30min);
    EXPECT_EQ(decide(job, {}).what, What::end);
}

TEST(Decision, AutomaticSegmentsAreAsLongAsTheBackEndAllows) {
    auto job = job_of("command = ['x']\n[time]\nlimit = '10h'\nsegments = 'auto'");
    EXPECT_EQ(next_time_limit(job, 4h), 4h);
    EXPECT_EQ(next_time_limit(job, {}), 10h) << "one that allows everything needs one";
    add_attempt(job, End::time_limit, 4h);
    EXPECT_EQ(decide(job, 4h).what, What::segment);
    EXPECT_EQ(next_time_limit(job_of("command = ['x']"), 4h), std::nullopt);
}

TEST(Decision, AWishToCancelIsStrongerThanAnyRetry) {
    auto job = job_of("command = ['x']\n[retry]\ncount = 3\n[time]\nsegments = 'auto'");
    add_attempt(job, End::node_lost);
    job.cancel_wanted = true;
    EXPECT_EQ(decide(job, {}).what, What::end);
}

TEST(Job, TheNodesThatLostItAreBadAndTheOthersAreNot) {
    auto job = job_of("command = ['x']");
    add_attempt(job, End::node_lost, 1min, "n1");
    add_attempt(job, End::preempted, 1min, "n2");
    add_attempt(job, End::start_failed, 1min, "n3");
    add_attempt(job, End::failed, 1min, "n4");
    EXPECT_THAT(bad_nodes(job, {}), testing::ElementsAre("n1", "n3"));
}

TEST(Job, OfSeveralNodesThoseAreBadThatAreOfNoUse) {
    using cluster::NodeState;
    auto job = job_of("command = ['x']");
    add_attempt(job, End::node_lost, 1min, "n1");
    job.attempts.back().nodes = {"n1", "n2", "n3"};
    EXPECT_THAT(bad_nodes(job, {}), testing::IsEmpty());
    EXPECT_THAT(bad_nodes(job, {{.name = "n1", .state = NodeState::busy},
                                {.name = "n2", .state = NodeState::down},
                                {.name = "n4", .state = NodeState::down}}),
                testing::ElementsAre("n2"));
}

TEST(Job, ItsCourseIsReadAsItWasKept) {
    auto job = job_of("command = ['x']");
    add_attempt(job, End::node_lost);
    job.attempts.back().exit_status = 137;
    job.retries = 2;
    job.cancel_wanted = true;
    job.trouble = "no";
    job.next_try = core::WallTime{5s};
    Job read{.id = job.id};
    ASSERT_TRUE(decode_course(encode_course(job), read));
    EXPECT_EQ(encode_course(read), encode_course(job));
    EXPECT_FALSE(decode_course("{}", read));
}

}  // namespace
}  // namespace sust::control
