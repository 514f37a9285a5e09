// The real sust-agent with real tasks.

#include "cluster/tasks.h"

#include <csignal>
#include <functional>
#include <map>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/machine.h"
#include "cluster/processes.h"
#include "core/text.h"

namespace sust::cluster {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr auto k_path = "/usr/bin:/bin";

class Tasks : public testing::Test {
  protected:
    core::Deadline soon() { return {clock_, 120s}; }

    std::vector<std::string> words(int count, const std::vector<std::string>& command) {
        auto words = tasks_launcher(SUST_AGENT, count, grace_);
        words.insert(words.end(), command.begin(), command.end());
        return words;
    }
    core::Environment environment() {
        auto all = environment_;
        all.insert({{"PATH", k_path}, {"MARK", temporary_.path().string()}});
        return all;
    }
    core::Output run(int count, const std::vector<std::string>& command) {
        return core::run({.argv = words(count, command),
                          .environment = environment(),
                          .workdir = temporary_.path()},
                         soon())
            .value();
    }
    core::Output run(int count, const std::string& script) {
        return run(count, std::vector<std::string>{"sh", "-c", script});
    }
    core::Child start(int count, const std::string& script) {
        return core::Child::spawn({.argv = words(count, {"sh", "-c", script}),
                                   .environment = environment(),
                                   .workdir = temporary_.path()})
            .value();
    }
    bool wait_for(const std::function<bool()>& condition) {
        const auto deadline = soon();
        while (!condition() && !deadline.passed()) {
            std::this_thread::sleep_for(2ms);
        }
        return condition();
    }
    bool wait_for_files(int count, const std::string& name) {
        return wait_for([&] {
            int found = 0;
            for (int i = 0; i < count; ++i) {
                found += core::path_exists(temporary_.path() / (name + std::to_string(i))) ? 1 : 0;
            }
            return found == count;
        });
    }
    bool exists(const std::string& name) { return core::path_exists(temporary_.path() / name); }
    std::size_t count_left() {
        return leftovers_of({}, "MARK=" + temporary_.path().string(), list_processes().value())
            .size();
    }

    core::SystemClock clock_;
    core::TemporaryDirectory temporary_ =
        core::TemporaryDirectory::create("/tmp", "sust-tasks-").value();
    core::Environment environment_;
    core::Duration grace_ = 60s;
};

TEST_F(Tasks, EachKnowsItsPlace) {
    environment_ = {{"SUST_NODE_RANK", "1"}, {"SUST_NODES", "2"}, {"SUST_HEAD_NODE", "head"}};
    const auto output = run(2,
                            "echo $SUST_RANK/$SUST_WORLD_SIZE $SUST_LOCAL_RANK/$SUST_LOCAL_SIZE "
                            "$SUST_NODE_RANK/$SUST_NODES $SUST_HEAD_NODE");
    EXPECT_EQ(output.status, 0) << output.err;
    EXPECT_THAT(core::split(core::trim(output.out), '\n'),
                UnorderedElementsAre("2/4 0/2 1/2 head", "3/4 1/2 1/2 head"));
}

TEST_F(Tasks, AreOfThisNodeAloneWhenNobodySaysOtherwise) {
    const auto output = run(1, "echo $SUST_RANK/$SUST_WORLD_SIZE $SUST_NODES $SUST_HEAD_NODE");
    EXPECT_EQ(output.out, "0/1 1 " + host_name() + "\n");
}

TEST_F(Tasks, InheritTheStreams) {
    ASSERT_TRUE(core::write_file(temporary_.path() / "in", "given\n"));
    const auto output = run(1, {"sh", "-c", "cat; echo err >&2"});
    EXPECT_EQ(output.out, "");  // run() gives /dev/null
    EXPECT_EQ(output.err, "err\n");
    const auto piped = core::run({.argv = {"sh", "-c",
                                           std::string(SUST_AGENT) + " tasks --count 1 -- cat <" +
                                               (temporary_.path() / "in").string()}},
                                 soon())
                           .value();
    EXPECT_EQ(piped.out, "given\n");
}

TEST_F(Tasks, NoneRunsOfACommandThatCannotBeExecuted) {
    environment_["SUST_JOB_ATTEMPT"] = temporary_.path();
    EXPECT_EQ(run(3, std::vector<std::string>{"/no/such/program"}).status, 127);
    EXPECT_THAT(core::read_file(temporary_.path() / "cannot_start", 4096).value_or(""),
                HasSubstr("/no/such/program"));
    EXPECT_EQ(run(3, std::vector<std::string>{"/etc/passwd"}).status, 126);
    EXPECT_EQ(count_left(), 0U);
}

TEST_F(Tasks, NoneRunsWhereNotAllCanBe) {
    if (::getuid() != 0) {
        GTEST_SKIP() << "the limit of another user's processes needs root";
    }
    const auto output = core::run(
        {.argv = {"bash", "-c",
                  "ulimit -u 20; exec setpriv --reuid 65534 --clear-groups --no-new-privs " +
                      std::string(SUST_AGENT) + " tasks --count 60 -- sh -c 'echo ran'"},
         .environment = environment()},
        soon());
    EXPECT_EQ(output->status, 125) << output->err;
    EXPECT_EQ(output->out, "");
    EXPECT_THAT(output->err, HasSubstr("no task was started"));
}

TEST_F(Tasks, TheFirstThatFailsEndsTheOthersAndIsTheResult) {
    const auto output = run(3,
                            "trap 'echo ended $SUST_RANK; exit 9' TERM; : >up$SUST_RANK; "
                            "while test $SUST_RANK = 1 && ! { test -e up0 && test -e up2; }; do "
                            "sleep 0.01; done; "
                            "test $SUST_RANK = 1 && exit 4; while :; do sleep 0.01; done");
    EXPECT_EQ(output.status, 4) << output.err;
    EXPECT_THAT(core::split(core::trim(output.out), '\n'),
                UnorderedElementsAre("ended 0", "ended 2"));
    EXPECT_THAT(output.err, HasSubstr("task=1"));
}

TEST_F(Tasks, WhoIgnoresTheEndIsKilled) {
    grace_ = 100ms;
    const auto output =
        run(2,
            "trap '' TERM; : >up$SUST_RANK; while ! { test -e up0 && test -e up1; }; do sleep "
            "0.01; done; test $SUST_RANK = 1 && exit 5; while :; do sleep 0.01; done");
    EXPECT_EQ(output.status, 5) << output.err;
    EXPECT_EQ(count_left(), 0U);
}

TEST_F(Tasks, EndByTheSignalThatEndedTheFirst) {
    EXPECT_EQ(run(2, "kill -SEGV $$").status, 128 + SIGSEGV);
}

TEST_F(Tasks, AllHearASignal) {
    auto child = start(3,
                       "trap ': >heard$SUST_RANK; exit 0' TERM; trap ': >usr$SUST_RANK' USR2; "
                       ": >up$SUST_RANK; while :; do sleep 0.01; done");
    ASSERT_TRUE(wait_for_files(3, "up"));
    ASSERT_TRUE(child.signal(SIGUSR2));
    ASSERT_TRUE(wait_for_files(3, "usr"));
    ASSERT_TRUE(child.signal(SIGTERM));
    EXPECT_EQ(child.wait(soon()).value(), 0);
    EXPECT_TRUE(wait_for_files(3, "heard"));
}

TEST_F(Tasks, ANoticeEndsNobodyWhoDoesNotExpectIt) {
    auto child = start(2,
                       "test $SUST_RANK = 0 && trap ': >noticed0' USR1; : >up$SUST_RANK; "
                       "while ! test -e done; do sleep 0.01; done");
    ASSERT_TRUE(wait_for_files(2, "up"));
    ASSERT_TRUE(child.signal(SIGUSR1));
    ASSERT_TRUE(wait_for_files(1, "noticed"));
    ASSERT_TRUE(core::write_file(temporary_.path() / "done", ""));
    EXPECT_EQ(child.wait(soon()).value(), 0);
}

TEST_F(Tasks, LeaveNothingBehind) {
    const auto output = run(2, "setsid sh -c 'trap \"\" TERM; sleep 1000' & sleep 0.05; exit 0");
    EXPECT_EQ(output.status, 0);
    EXPECT_EQ(count_left(), 0U);
}

TEST_F(Tasks, GoWithTheirLauncher) {
    auto child = start(2, ": >up$SUST_RANK; exec sleep 1000");
    ASSERT_TRUE(wait_for_files(2, "up"));
    ASSERT_TRUE(child.signal(SIGKILL));
    ASSERT_TRUE(child.wait(soon()).value());
    EXPECT_TRUE(wait_for([&] { return count_left() == 0; }));
}

TEST_F(Tasks, NeedACountAndACommand) {
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"--count", "0", "--", "true"},
                                               {"--count", "1"},
                                               {"--count", "1", "--"},
                                               {"--", "true"},
                                               {"--count", "99999", "--", "true"},
                                               {"--size", "1", "--", "true"},
                                               {"--count", "1", "--grace", "soon", "--", "true"}}) {
        std::vector<std::string> argv{SUST_AGENT, "tasks"};
        argv.insert(argv.end(), words.begin(), words.end());
        EXPECT_EQ(core::run({.argv = argv}, soon())->status, 2) << core::join(words, " ");
    }
}

}  // namespace
}  // namespace sust::cluster
