#include "cluster/local.h"

#include <csignal>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "cluster/fence.h"
#include "cluster/test_jobs.h"

namespace sust::cluster {
namespace {

using core::Fault;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(LocalJobs, RunACommandAndTellHowItEnded) {
    open();
    ASSERT_TRUE(local_->submit(shell("good", "echo out; echo err >&2")));
    ASSERT_TRUE(local_->submit(shell("bad", "exit 3")));
    ASSERT_TRUE(local_->submit(shell("shot", "kill -KILL $$")));
    ASSERT_TRUE(ends("good", End::completed));
    ASSERT_TRUE(ends("bad", End::failed));
    ASSERT_TRUE(ends("shot", End::failed));
    EXPECT_EQ(status("good").exit_status, 0);
    EXPECT_EQ(status("good").source, Source::wrapper);
    EXPECT_EQ(status("bad").exit_status, 3);
    EXPECT_EQ(status("bad").reason, "exit status 3");
    EXPECT_EQ(status("shot").exit_status, 128 + SIGKILL);
    EXPECT_EQ(status("shot").reason, "killed by SIGKILL");
    EXPECT_EQ(log("good"), "out\n");
    EXPECT_EQ(log("good", Stream::err), "err\n");
    EXPECT_TRUE(local_->logs({"good"}, Stream::out, 4, 100).value().complete);
}

TEST_F(LocalJobs, RunSeveralTasks) {
    open();
    auto spec =
        shell("many", "echo $SUST_RANK of $SUST_WORLD_SIZE; exit $((SUST_RANK == 2 ? 6 : 0))");
    spec.shape.tasks_per_node = 3;
    ASSERT_TRUE(local_->submit(spec));
    auto none = spec;
    none.token = {"none"};
    none.argv = {"/no/such/program"};
    ASSERT_TRUE(local_->submit(none));
    ASSERT_TRUE(ends("many", End::failed));
    EXPECT_EQ(status("many").exit_status, 6);
    EXPECT_THAT(log("many"), HasSubstr("2 of 3\n"));
    ASSERT_TRUE(ends("none", End::start_failed));
    EXPECT_THAT(status("none").reason, HasSubstr("/no/such/program"));
}

TEST_F(LocalJobs, TellEveryChangeOnce) {
    open();
    ASSERT_TRUE(local_->submit(shell("one", "while [ ! -e go ]; do sleep 0.01; done")));
    ASSERT_TRUE(reaches("one", State::running));
    std::ofstream(files("one").path / "go");
    ASSERT_TRUE(ends("one", End::completed));
    local_->poll();
    EXPECT_THAT(told_, ElementsAre("one starting", "one running", "one ended"));
}

TEST_F(LocalJobs, SubmittingTwiceIsOneJob) {
    open();
    const auto spec = shell("once", "echo ran >> $SUST_JOB_ATTEMPT/../ran");
    ASSERT_TRUE(local_->submit(spec));
    ASSERT_TRUE(local_->submit(spec));
    ASSERT_TRUE(ends("once", End::completed));
    ASSERT_TRUE(local_->submit(spec));
    reopen();
    ASSERT_TRUE(local_->submit(spec));
    local_->poll();
    EXPECT_EQ(core::read_file(options_.book.jobs / "once/ran", 100).value(), "ran\n");
    const auto other = local_->submit(shell("once", "true"));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().fault, Fault::conflict);
}

TEST_F(LocalJobs, RefuseATokenWithPathParts) {
    open();
    for (const auto* token : {"../x", "a/b", "", ".", "..", ".hidden", "A", "a b", "a\n"}) {
        const auto refused = local_->submit(shell(token, "true"));
        ASSERT_FALSE(refused) << token;
        EXPECT_EQ(refused.error().fault, Fault::invalid) << token;
        EXPECT_FALSE(local_->describe({token}).value()) << token;
    }
    EXPECT_FALSE(local_->submit(shell(std::string(64, 'a'), "true")));
    auto spec = shell("nul", "true");
    spec.argv.push_back(std::string("a\0b", 3));
    EXPECT_EQ(local_->submit(spec).error().fault, Fault::invalid);
    spec.argv.back() = std::string(200 << 10, 'x');
    EXPECT_EQ(local_->submit(spec).error().fault, Fault::too_large);
    EXPECT_THAT(local_->list().value(), testing::IsEmpty());
}

TEST_F(LocalJobs, SeeAFixedEnvironmentAndTheirOwn) {
    ::setenv("SUST_TEST_STRAY", "stray", 1);
    open();
    auto spec = shell("env", "env; pwd; ulimit -c >/dev/null; cat");
    spec.environment = {{"MINE", "mine"}, {"LANG", "C"}};
    ASSERT_TRUE(local_->submit(spec));
    ASSERT_TRUE(ends("env", End::completed));
    const auto seen = log("env");
    EXPECT_THAT(seen, HasSubstr("MINE=mine\n"));
    EXPECT_THAT(seen, HasSubstr("LANG=C\n"));
    EXPECT_THAT(seen, HasSubstr("SUST_JOB_TOKEN=env\n"));
    EXPECT_THAT(seen, HasSubstr("SUST_JOB_EPOCH=1\n"));
    EXPECT_THAT(seen, HasSubstr("PATH=/usr/local/sbin:/usr/local/bin:"));
    EXPECT_THAT(seen, testing::Not(HasSubstr("stray")));
    EXPECT_THAT(seen, HasSubstr(files("env").path.string() + "\n"));
    ::unsetenv("SUST_TEST_STRAY");
}

TEST_F(LocalJobs, SayWhyACommandCannotStart) {
    open();
    ASSERT_TRUE(local_->submit({.token = {"absent"}, .argv = {"/no/such/program"}}));
    ASSERT_TRUE(local_->submit({.token = {"directory"}, .argv = {"/tmp"}}));
    ASSERT_TRUE(
        local_->submit({.token = {"nowhere"}, .argv = {"true"}, .workdir = "/no/such/directory"}));
    ASSERT_TRUE(ends("absent", End::start_failed));
    ASSERT_TRUE(ends("directory", End::start_failed));
    ASSERT_TRUE(ends("nowhere", End::start_failed));
    EXPECT_EQ(status("absent").exit_status, 127);
    EXPECT_THAT(status("absent").reason, HasSubstr("start '/no/such/program': No such file"));
    EXPECT_EQ(status("directory").exit_status, 126);
    EXPECT_EQ(status("nowhere").exit_status, 125);
    EXPECT_THAT(status("nowhere").reason, HasSubstr("working directory"));
}

TEST_F(LocalJobs, AreStoppedAtTheirTimeLimit) {
    open();
    auto spec = shell("slow", "sleep 100");
    spec.time_limit = 100ms;
    ASSERT_TRUE(local_->submit(spec));
    ASSERT_TRUE(ends("slow", End::time_limit));
    EXPECT_EQ(status("slow").reason, "time limit of 100ms reached");
    EXPECT_EQ(status("slow").exit_status, 128 + SIGTERM);
}

TEST_F(LocalJobs, MayCleanUpWhenTheyAreCancelled) {
    open();
    ASSERT_TRUE(local_->submit(shell(
        "tidy", "trap 'echo saved; exit 143' TERM; echo ready; while :; do sleep 0.01; done")));
    ASSERT_TRUE(until([&] { return log("tidy") == "ready\n"; }));
    ASSERT_TRUE(local_->cancel({"tidy"}));
    ASSERT_TRUE(ends("tidy", End::cancelled));
    EXPECT_EQ(log("tidy"), "ready\nsaved\n");
    EXPECT_EQ(status("tidy").exit_status, 143);
    EXPECT_TRUE(local_->cancel({"tidy"}));
    EXPECT_TRUE(local_->cancel({"never-heard-of"}));
}

TEST_F(LocalJobs, AreKilledWhenTheGraceIsOver) {
    open();
    auto spec = shell("stubborn",
                      "trap '' TERM; (trap '' TERM; setsid sleep 1000) & "
                      "echo ready; while :; do sleep 0.01; done");
    spec.stop_grace = 50ms;
    ASSERT_TRUE(local_->submit(spec));
    ASSERT_TRUE(until([&] { return log("stubborn") == "ready\n"; }));
    ASSERT_TRUE(local_->cancel({"stubborn"}));
    ASSERT_TRUE(ends("stubborn", End::cancelled));
    EXPECT_EQ(status("stubborn").exit_status, 128 + SIGKILL);
}

TEST_F(LocalJobs, CanBeCancelledBeforeTheyStart) {
    open();
    ASSERT_TRUE(hold(local_->nodes().value().front().name, "maintenance"));
    ASSERT_TRUE(local_->submit(shell("waiting", "touch ran")));
    local_->poll();
    EXPECT_EQ(status("waiting").state, State::queued);
    EXPECT_THAT(status("waiting").reason, HasSubstr("held: maintenance"));
    ASSERT_TRUE(local_->cancel({"waiting"}));
    EXPECT_EQ(status("waiting").end, End::cancelled);
    reopen();
    ASSERT_TRUE(local_->nodes().value().front().held);
    ASSERT_TRUE(release(local_->nodes().value().front().name));
    local_->poll();
    EXPECT_EQ(status("waiting").end, End::cancelled);
    EXPECT_FALSE(core::path_exists(files("waiting").path / "ran"));
    EXPECT_FALSE(hold("elsewhere", "x"));
}

TEST_F(LocalJobs, CancelledAtOnceEndCancelledOrNeverStart) {
    open();
    for (int i = 0; i < 10; ++i) {
        const auto token = fmt::format("brief-{}", i);
        ASSERT_TRUE(local_->submit(shell(token, "sleep 1000")));
        if (i % 2 == 0) {
            local_->poll();
        }
        ASSERT_TRUE(local_->cancel({token}));
    }
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(ends(fmt::format("brief-{}", i), End::cancelled));
    }
}

TEST_F(LocalJobs, GoOnWithoutTheControllerAndAreFoundAgain) {
    open();
    ASSERT_TRUE(local_->submit(shell("long", "while [ ! -e go ]; do sleep 0.01; done; echo done")));
    ASSERT_TRUE(local_->submit(shell("short", "exit 7")));
    ASSERT_TRUE(reaches("long", State::running));
    ASSERT_TRUE(ends("short", End::failed));
    const auto before = status("short");
    reopen();
    EXPECT_EQ(status("long").state, State::running);
    EXPECT_EQ(status("long").epoch, 1);
    EXPECT_EQ(status("short").end, End::failed);
    EXPECT_EQ(status("short").finished, before.finished);
    local_.reset();
    std::ofstream(files("long").path / "go");
    open();
    ASSERT_TRUE(ends("long", End::completed));
    EXPECT_EQ(log("long"), "done\n");
}

TEST_F(LocalJobs, HaveANewEpochForEveryAttempt) {
    open();
    ASSERT_TRUE(local_->submit(shell("again", "echo attempt $SUST_JOB_EPOCH; exit 1")));
    EXPECT_EQ(local_->resubmit({"again"}, {}).error().fault, Fault::conflict);
    ASSERT_TRUE(ends("again", End::failed));
    EXPECT_EQ(local_->resubmit({"again"}, {}).value(), 2);
    EXPECT_EQ(read_fence(local_->job_directory({"again"})).value(), 2);
    ASSERT_TRUE(ends("again", End::failed));
    EXPECT_EQ(log("again"), "attempt 2\n");
    EXPECT_EQ(status("again").epoch, 2);
    reopen();
    EXPECT_EQ(status("again").epoch, 2);
    EXPECT_EQ(local_->resubmit({"absent"}, {}).error().fault, Fault::not_found);
}

TEST_F(LocalJobs, OfAnOlderEpochMayNotCommitAndAreStopped) {
    open();
    ASSERT_TRUE(local_->submit(shell("split", "sleep 1000")));
    ASSERT_TRUE(reaches("split", State::running));
    const auto directory = local_->job_directory({"split"});
    const core::Deadline deadline(clock_, 5s);
    EXPECT_TRUE(hold_fence(directory, 1, deadline));
    ASSERT_TRUE(raise_fence(directory, 2, deadline));
    EXPECT_EQ(hold_fence(directory, 1, deadline).error().fault, Fault::conflict);
    EXPECT_EQ(raise_fence(directory, 1, deadline).error().fault, Fault::conflict);
    ASSERT_TRUE(wait_for_file(files("split").exit()));
    EXPECT_EQ(read_exit(files("split"), {"split"}, 1).value()->reason, ExitReason::fenced);
}

TEST_F(LocalJobs, AreForgottenOnlyWhenTheyHaveEnded) {
    open();
    ASSERT_TRUE(local_->submit(shell("gone", "sleep 1000")));
    ASSERT_TRUE(reaches("gone", State::running));
    EXPECT_EQ(local_->forget({"gone"}).error().fault, Fault::conflict);
    ASSERT_TRUE(local_->cancel({"gone"}));
    ASSERT_TRUE(ends("gone", End::cancelled));
    ASSERT_TRUE(local_->forget({"gone"}));
    ASSERT_TRUE(local_->forget({"gone"}));
    EXPECT_FALSE(core::path_exists(options_.book.jobs / "gone"));
    EXPECT_FALSE(local_->describe({"gone"}).value());
    ASSERT_TRUE(local_->submit(shell("gone", "true")));
    EXPECT_TRUE(ends("gone", End::completed));
}

TEST_F(LocalJobs, AreLimitedInNumber) {
    options_.book.max_live_jobs = 2;
    open();
    ASSERT_TRUE(local_->submit(shell("first", "sleep 1000")));
    ASSERT_TRUE(local_->submit(shell("second", "true")));
    const auto third = local_->submit(shell("third", "true"));
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().fault, Fault::exhausted);
    ASSERT_TRUE(ends("second", End::completed));
    EXPECT_TRUE(local_->submit(shell("third", "true")));
}

TEST_F(LocalJobs, KeepTheEndOfALongLog) {
    options_.book.log_bytes = 1 << 20;
    open();
    ASSERT_TRUE(local_->submit(
        shell("loud", "seq 1 1000000; echo last; while [ ! -e go ]; do sleep 0.01; done")));
    ASSERT_TRUE(until([&] { return log("loud").size() > 0; }));
    const auto end = [&] {
        return local_->logs({"loud"}, Stream::out, 6888896, 100).value().bytes == "last\n";
    };
    ASSERT_TRUE(until(end));
    // Cut in front, and what is left is still where it was.
    ASSERT_TRUE(until(
        [&] { return local_->logs({"loud"}, Stream::out, 0, 1).value().next_offset > 4 << 20; }));
    EXPECT_TRUE(end());
    std::ofstream(files("loud").path / "go");
    ASSERT_TRUE(ends("loud", End::completed));
}

TEST_F(LocalJobs, AreNotLookedAtAgainWhenTheyHaveEnded) {
    open();
    ASSERT_TRUE(local_->submit(shell("first", "echo kept; exit 1")));
    ASSERT_TRUE(ends("first", End::failed));
    const auto before = status("first");
    ASSERT_TRUE(core::write_file(files("first").exit(), "torn"));
    local_->poll();
    EXPECT_EQ(status("first").end, End::failed);
    EXPECT_EQ(status("first").observed, before.observed);
    EXPECT_EQ(local_->logs({"first"}, Stream::out, 2, 100).value().end, 5U);
}

TEST_F(LocalJobs, BelongToOneControllerAtATime) {
    open();
    options_.book.lock_wait = 50ms;
    const auto second = open_local(options_, clock_, core::Log::silent());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().fault, Fault::conflict);
}

TEST_F(LocalJobs, FailWhenTheWrapperItselfCannotStart) {
    options_.agent = "/no/such/agent";
    options_.start_wait = 1ms;
    open();
    ASSERT_TRUE(local_->submit(shell("stuck", "true")));
    ASSERT_TRUE(ends("stuck", End::start_failed));
    EXPECT_THAT(status("stuck").reason, HasSubstr("/no/such/agent"));
    options_.agent = SUST_AGENT;
    reopen();
    local_->poll();
    EXPECT_EQ(status("stuck").end, End::start_failed);
    EXPECT_EQ(local_->resubmit({"stuck"}, {}).value(), 2);
    EXPECT_TRUE(ends("stuck", End::completed));
}

TEST_F(LocalJobs, WorkUnderALongPath) {
    options_.book.jobs = temporary_.path() / std::string(75, 'a') / std::string(75, 'b') / "jobs";
    open();
    ASSERT_TRUE(local_->submit(shell(std::string(63, 't'), "pwd")));
    EXPECT_TRUE(ends(std::string(63, 't'), End::completed));
}

}  // namespace
}  // namespace sust::cluster
