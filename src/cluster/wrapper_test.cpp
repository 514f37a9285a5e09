// The wrapper by itself: the real sust-agent, started by hand on a directory made by hand.

#include "cluster/wrapper.h"

#include <csignal>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/fence.h"
#include "cluster/machine.h"
#include "cluster/processes.h"
#include "cluster/tasks.h"
#include "cluster/words.h"

namespace sust::cluster {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct Limits {
    Duration time_limit = 1h;
    Duration notice{};
};

class Wrapper : public testing::Test {
  protected:
    core::Deadline soon() { return {clock_, 120s}; }

    void write_job(const std::string& script, const std::vector<std::string>& launcher = {},
                   const Limits& limits = {}) {
        spec_ = {.token = {"job"},
                 .argv = {"sh", "-c", script},
                 .time_limit = limits.time_limit,
                 .notice = limits.notice};
        ASSERT_TRUE(core::make_directories(attempt_.path));
        ASSERT_TRUE(core::write_file(job_.job(), job_text({.spec = spec_, .launcher = launcher})));
        ASSERT_TRUE(raise_fence(job_.path, 1, soon()));
    }
    core::Child start(std::int64_t epoch = 1) {
        log_ =
            core::Fd(::open(attempt_.wrapper_log().c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
        return core::Child::spawn({.argv = {SUST_AGENT, "job", "--directory", job_.path.string(),
                                            "--epoch", std::to_string(epoch)},
                                   .out = log_.get(),
                                   .err = log_.get()})
            .value();
    }
    int run() {
        auto child = start();
        return child.wait(soon()).value().value();
    }
    ExitWord exit() { return read_exit(attempt_, {"job"}, 1).value().value(); }
    std::string text(const Path& path) { return core::read_file(path, 1 << 20).value_or(""); }
    bool wait_for(const std::function<bool()>& condition) {
        const auto deadline = soon();
        while (!condition() && !deadline.passed()) {
            std::this_thread::sleep_for(2ms);
        }
        return condition();
    }
    bool wait_for_output(const std::string& wanted) {
        return wait_for([&] { return text(attempt_.out()) == wanted; });
    }

    core::SystemClock clock_;
    core::TemporaryDirectory temporary_ =
        core::TemporaryDirectory::create("/tmp", "sust-wrapper-").value();
    JobFiles job_{temporary_.path() / "job"};
    AttemptFiles attempt_ = job_.attempt(1);
    JobSpec spec_;
    core::Fd log_;
};

TEST_F(Wrapper, HasTheStatusOfItsCommand) {
    write_job("exit 42");
    EXPECT_EQ(run(), 42);
    EXPECT_EQ(exit().status, 42);
    EXPECT_EQ(exit().reason, ExitReason::exited);
    EXPECT_GT(exit().max_rss_bytes, 0U);
    EXPECT_FALSE(core::path_exists(attempt_.reserve()));
    EXPECT_TRUE(core::parse_rfc3339(text(attempt_.heartbeat()).substr(0, 24)));
}

TEST_F(Wrapper, TellsTheSignalOfItsCommand) {
    write_job("kill -SEGV $$");
    EXPECT_EQ(run(), 128 + SIGSEGV);
    EXPECT_EQ(exit().signal, SIGSEGV);
    EXPECT_EQ(exit().reason, ExitReason::signalled);
}

TEST_F(Wrapper, TellsItsCommandThatItIsTheOnlyTask) {
    write_job("env | grep SUST_ | grep -v SUST_JOB | sort");
    EXPECT_EQ(run(), 0);
    EXPECT_EQ(text(attempt_.out()),
              "SUST_HEAD_NODE=" + host_name() +
                  "\nSUST_LOCAL_RANK=0\nSUST_LOCAL_SIZE=1\nSUST_NODES=1\nSUST_NODE_RANK=0\n"
                  "SUST_RANK=0\nSUST_WORLD_SIZE=1\n");
}

TEST_F(Wrapper, PutsTheLauncherBeforeTheCommand) {
    write_job("echo $SUST_RANK/$SUST_WORLD_SIZE; test $SUST_RANK = 0 || exit 3",
              tasks_launcher(SUST_AGENT, 2, 10s));
    EXPECT_EQ(run(), 3);
    EXPECT_THAT(text(attempt_.out()), HasSubstr("1/2\n"));
    EXPECT_THAT(text(attempt_.err()), HasSubstr("task=1"));
}

TEST_F(Wrapper, SaysThatNoTaskCouldBeStarted) {
    write_job("", tasks_launcher(SUST_AGENT, 2, 10s));
    spec_.argv = {"/no/such/program"};
    ASSERT_TRUE(core::write_file(
        job_.job(), job_text({.spec = spec_, .launcher = tasks_launcher(SUST_AGENT, 2, 10s)})));
    EXPECT_EQ(run(), 127);
    EXPECT_EQ(exit().reason, ExitReason::cannot_start);
    EXPECT_THAT(exit().detail, HasSubstr("/no/such/program"));
}

TEST_F(Wrapper, NamesItsCommandBeforeItStarts) {
    write_job(
        "grep -c \"\\\"pid\\\": $$\" attempt.json; cat /proc/self/status | grep SigBlk; "
        "cat /proc/self/status | grep SigIgn");
    EXPECT_EQ(run(), 0);
    EXPECT_EQ(text(attempt_.out()), "1\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    const auto word = read_attempt(attempt_, {"job"}, 1).value().value();
    EXPECT_NE(word.wrapper.pid, word.child.pid);
    EXPECT_EQ(word.wrapper.boot_id, core::boot_id().value());
}

TEST_F(Wrapper, PassesSignalsOn) {
    write_job("trap 'echo one; exit 3' USR1; echo ready; while :; do sleep 0.01; done");
    auto child = start();
    ASSERT_TRUE(wait_for_output("ready\n"));
    ASSERT_TRUE(child.signal(SIGUSR1));
    EXPECT_EQ(child.wait(soon()).value(), 3);
    EXPECT_EQ(text(attempt_.out()), "ready\none\n");
}

TEST_F(Wrapper, GivesNoticeBeforeTheTimeIsUp) {
    write_job(
        "trap 'echo noticed' USR1; trap 'echo asked; exit 7' TERM; while :; do sleep 0.01; done",
        {}, {.time_limit = 2s, .notice = 1500ms});
    EXPECT_EQ(run(), 7);
    EXPECT_EQ(exit().reason, ExitReason::time_limit);
    EXPECT_EQ(text(attempt_.out()), "noticed\nasked\n");
}

TEST_F(Wrapper, GivesNoticeOnlyToThoseWhoListen) {
    // The shell and the first child would die of it; the second child sits in another session.
    write_job(
        "sleep 1000 & first=$!; "
        "setsid sh -c 'trap \"echo noticed; exit 0\" USR1; while :; do sleep 0.01; done' & "
        "wait $!; echo shell is here; kill -0 $first && echo first is here",
        {}, {.time_limit = 6s, .notice = 4s});
    EXPECT_EQ(run(), 0);
    EXPECT_EQ(text(attempt_.out()), "noticed\nshell is here\nfirst is here\n");
}

TEST_F(Wrapper, PassesANoticeToEveryTask) {
    write_job("trap 'echo noticed $SUST_RANK; exit 0' USR1; while :; do sleep 0.01; done",
              tasks_launcher(SUST_AGENT, 2, 10s), {.time_limit = 6s, .notice = 4s});
    EXPECT_EQ(run(), 0) << text(attempt_.err());
    EXPECT_THAT(text(attempt_.out()), HasSubstr("noticed 0\n"));
    EXPECT_THAT(text(attempt_.out()), HasSubstr("noticed 1\n"));
}

TEST_F(Wrapper, StoppedByAStrangerSaysSo) {
    write_job("echo ready; sleep 1000");
    auto child = start();
    ASSERT_TRUE(wait_for_output("ready\n"));
    ASSERT_TRUE(child.signal(SIGTERM));
    EXPECT_EQ(child.wait(soon()).value(), 128 + SIGTERM);
    EXPECT_EQ(exit().reason, ExitReason::stopped);
    EXPECT_THAT(exit().detail, HasSubstr("no cancel announced"));
}

TEST_F(Wrapper, FindsACancelThatNobodySignalled) {
    write_job("sleep 1000");
    auto child = start();
    ASSERT_TRUE(wait_for([&] { return core::path_exists(attempt_.attempt()); }));
    std::ofstream(attempt_.cancel());
    EXPECT_EQ(child.wait(soon()).value(), 128 + SIGTERM);
    EXPECT_EQ(exit().reason, ExitReason::cancelled);
}

TEST_F(Wrapper, DoesNotStartWhatIsCancelled) {
    write_job("echo ran");
    std::ofstream(attempt_.cancel());
    EXPECT_EQ(run(), 143);
    EXPECT_EQ(exit().reason, ExitReason::cancelled);
    EXPECT_FALSE(core::path_exists(attempt_.attempt()));
    EXPECT_EQ(text(attempt_.out()), "");
}

TEST_F(Wrapper, EndsWhatTheCommandLeavesBehind) {
    write_job("(setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' &) ; sleep 0.05; exit 4");
    EXPECT_EQ(run(), 4);
    EXPECT_EQ(exit().leftovers, 0);
    EXPECT_TRUE(leftovers_of({}, attempt_mark(attempt_.path), list_processes().value()).empty());
}

TEST_F(Wrapper, RunsAnAttemptOnce) {
    write_job("echo ran; sleep 1000");
    auto first = start();
    ASSERT_TRUE(wait_for_output("ran\n"));
    EXPECT_EQ(run(), 125);
    EXPECT_THAT(text(attempt_.wrapper_log()), HasSubstr("another wrapper has this attempt"));
    ASSERT_TRUE(first.signal(SIGTERM));
    ASSERT_TRUE(first.wait(soon()).value());
    EXPECT_EQ(run(), 125);
    EXPECT_THAT(text(attempt_.wrapper_log()), HasSubstr("has been started before"));
    EXPECT_EQ(text(attempt_.out()), "ran\n");
}

TEST_F(Wrapper, OfAnOlderEpochDoesNotStart) {
    write_job("echo ran");
    ASSERT_TRUE(raise_fence(job_.path, 2, soon()));
    EXPECT_EQ(run(), 125);
    EXPECT_THAT(text(attempt_.wrapper_log()), HasSubstr("attempt 2 took its place"));
    EXPECT_EQ(text(attempt_.out()), "");
}

TEST_F(Wrapper, StartsNothingWithoutAWellFormedJob) {
    write_job("echo ran");
    for (const auto* bad : {"", "{", "[]", "{\"format\":1}", "{\"format\":9}"}) {
        std::ofstream(job_.job()) << bad;
        EXPECT_EQ(run(), 125) << bad;
    }
    ASSERT_TRUE(core::remove_tree(job_.job()));
    EXPECT_EQ(run(), 125);
    EXPECT_FALSE(core::path_exists(attempt_.attempt()));
}

TEST_F(Wrapper, TakesItsCommandWithIt) {
    write_job("echo ready; sleep 1000");
    auto child = start();
    ASSERT_TRUE(wait_for_output("ready\n"));
    const auto word = read_attempt(attempt_, {"job"}, 1).value().value();
    ASSERT_TRUE(child.signal(SIGKILL));
    EXPECT_EQ(child.wait(soon()).value(), 128 + SIGKILL);
    EXPECT_TRUE(wait_for([&] { return !core::alive(word.child); }));
    kill_all(leftovers_of(word.child, attempt_mark(attempt_.path), list_processes().value()));
}

TEST(Words, AreRefusedFromAnotherJobOrVersion) {
    const auto temporary = core::TemporaryDirectory::create("/tmp", "sust-words-").value();
    const AttemptFiles files{temporary.path()};
    ExitWord word{.token = {"a"}, .epoch = 1, .status = 1, .detail = std::string(9000, 'd')};
    ASSERT_TRUE(core::write_file(files.exit(), exit_text(word)));
    EXPECT_LE(exit_text(word).size(), k_word_bytes_max);
    EXPECT_EQ(read_exit(files, {"a"}, 1).value()->status, 1);
    EXPECT_EQ(read_exit(files, {"b"}, 1).error().fault, core::Fault::invalid);
    EXPECT_EQ(read_exit(files, {"a"}, 2).error().fault, core::Fault::invalid);
    ASSERT_TRUE(core::write_file(files.exit(), "{\"format\": 2}"));
    EXPECT_THAT(core::to_string(read_exit(files, {"a"}, 1).error()), HasSubstr("format 2"));
    EXPECT_FALSE(read_attempt(files, {"a"}, 1).value());
}

TEST(BaseEnvironment, TakesOnlyWhereTheUserIs) {
    const auto base = base_environment({{"HOME", "/h"}, {"SECRET", "s"}, {"PATH", "/evil"}});
    EXPECT_EQ(base.at("HOME"), "/h");
    EXPECT_EQ(base_environment({{"SLURM_JOB_ID", "7"}}).at("SLURM_JOB_ID"), "7");
    EXPECT_FALSE(base.contains("SECRET"));
    EXPECT_EQ(base.at("PATH"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

}  // namespace
}  // namespace sust::cluster
