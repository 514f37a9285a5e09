// Who may die at any moment: the wrapper, the controller, the machine. What must hold afterwards:
// the state is right, nothing ran twice, nothing is left.

#include <csignal>
#include <fstream>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/fence.h"
#include "cluster/processes.h"
#include "cluster/test_jobs.h"
#include "cluster/wrapper.h"

namespace sust::cluster {
namespace {

using core::Fault;
using namespace std::chrono_literals;
using testing::HasSubstr;

class KilledJobs : public LocalJobs {
  protected:
    std::size_t count_processes_of(const std::string& token, std::int64_t epoch = 1) {
        // No session: only the mark counts.
        return leftovers_of({}, attempt_mark(files(token, epoch).path), list_processes().value())
            .size();
    }
    std::string read(const Path& path) { return core::read_file(path, 1 << 20).value_or(""); }
    void pause(int milliseconds_max) {
        std::this_thread::sleep_for(std::chrono::microseconds(
            std::uniform_int_distribution(0, milliseconds_max * 1000)(random_)));
    }
    // A controller in a process of its own, killed after a random time.
    void run_controller(int milliseconds_max, const std::function<void()>& act) {
        const pid_t pid = ::fork();
        ASSERT_GE(pid, 0);
        if (pid == 0) {
            open();
            act();
            while (true) {
                local_->poll();
            }
        }
        pause(milliseconds_max);
        ::kill(pid, SIGKILL);
        ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
    }

    std::mt19937 random_{4711};  // the moments vary by scheduling anyway
};

TEST_F(KilledJobs, AreLostWithTheirWrapperAndLeaveNothing) {
    open();
    ASSERT_TRUE(local_->submit(
        shell("orphaned", "setsid sleep 1000 & sleep 1000 & echo ready; sleep 1000")));
    ASSERT_TRUE(until([&] { return log("orphaned") == "ready\n"; }));
    EXPECT_GE(count_processes_of("orphaned"), 3U);
    ASSERT_TRUE(core::send_signal(attempt("orphaned").wrapper, SIGKILL));
    ASSERT_TRUE(ends("orphaned", End::vanished));
    EXPECT_EQ(status("orphaned").source, Source::scheduler);
    EXPECT_EQ(count_processes_of("orphaned"), 0U);
    const auto finished = status("orphaned").finished;
    reopen();
    EXPECT_EQ(status("orphaned").end, End::vanished);
    EXPECT_EQ(status("orphaned").finished, finished);
}

TEST_F(KilledJobs, AreLostWhenTheWrapperDiedWithTheController) {
    open();
    ASSERT_TRUE(local_->submit(shell("both", "sleep 1000 & echo ready; sleep 1000")));
    ASSERT_TRUE(until([&] { return log("both") == "ready\n"; }));
    local_.reset();
    ASSERT_TRUE(core::send_signal(attempt("both").wrapper, SIGKILL));
    open();
    ASSERT_TRUE(ends("both", End::vanished));
    EXPECT_EQ(count_processes_of("both"), 0U);
}

TEST_F(KilledJobs, RunOnceAtMostWhereverTheWrapperIsKilled) {
    open();
    int lost = 0;
    for (int round = 0; round < 40; ++round) {
        const auto token = fmt::format("round-{}", round);
        ASSERT_TRUE(local_->submit(shell(token, "echo ran >> ../ran; sleep 0.01")));
        if (round % 2 == 1) {
            ASSERT_TRUE(wait_for_file(files(token).attempt()));
        }
        pause(15);
        const auto all = list_processes().value();
        for (const auto& process : all) {
            if (process.parent == ::getpid()) {
                (void)core::send_signal(process.id, SIGKILL);
            }
        }
        ASSERT_TRUE(until([&] { return is_final(status(token).state); }));
        const auto ran = read(options_.book.jobs / token / "ran");
        lost += status(token).end == End::vanished ? 1 : 0;
        if (status(token).end == End::completed) {
            EXPECT_EQ(ran, "ran\n");
        } else {
            EXPECT_EQ(status(token).end, End::vanished) << status(token).reason;
            EXPECT_TRUE(ran.empty() || ran == "ran\n") << ran;
        }
        EXPECT_EQ(count_processes_of(token), 0U);
    }
    EXPECT_GT(lost, 0);
}

TEST_F(KilledJobs, RunOnceWhereverTheControllerIsKilled) {
    for (int round = 0; round < 12; ++round) {
        const auto submit = [&] {
            for (int i = 0; i < 5; ++i) {
                (void)local_->submit(
                    shell(fmt::format("job-{}-{}", round, i), "echo ran >> ../ran"));
                local_->poll();
            }
        };
        run_controller(60, submit);
        reopen();
        submit();
        for (int i = 0; i < 5; ++i) {
            const auto token = fmt::format("job-{}-{}", round, i);
            ASSERT_TRUE(ends(token, End::completed));
            EXPECT_EQ(read(options_.book.jobs / token / "ran"), "ran\n");
        }
        local_.reset();
    }
}

TEST_F(KilledJobs, RunEveryEpochOnceWhereverTheControllerIsKilled) {
    open();
    ASSERT_TRUE(local_->submit(shell("loop", "echo $SUST_JOB_EPOCH >> ../ran")));
    local_.reset();
    // A slow machine kills many controllers before one of them comes to a second attempt.
    constexpr int k_rounds_max = 300;
    const auto second_ran = [&] { return read(options_.book.jobs / "loop/ran").size() > 2; };
    for (int round = 0; round < 12 || (round < k_rounds_max && !second_ran()); ++round) {
        run_controller(60, [&] {
            while (true) {
                local_->poll();
                if (is_final(status("loop").state)) {
                    (void)local_->resubmit({"loop"}, {});
                }
            }
        });
    }
    open();
    ASSERT_TRUE(ends("loop", End::completed));
    std::string expected;
    for (std::int64_t epoch = 1; epoch <= status("loop").epoch; ++epoch) {
        expected += fmt::format("{}\n", epoch);
    }
    EXPECT_GT(status("loop").epoch, 1);
    EXPECT_EQ(read(options_.book.jobs / "loop/ran"), expected);
}

TEST_F(KilledJobs, StayCancelledWhereverTheControllerIsKilled) {
    for (int round = 0; round < 8; ++round) {
        const auto token = fmt::format("stop-{}", round);
        run_controller(40, [&] {
            (void)local_->submit(shell(token, "sleep 1000"));
            (void)local_->cancel({token});
        });
        const bool asked = core::path_exists(files(token).cancel());
        reopen();
        if (asked) {
            EXPECT_TRUE(ends(token, End::cancelled));
        } else if (local_->describe({token}).value()) {
            EXPECT_TRUE(local_->cancel({token}));
            EXPECT_TRUE(ends(token, End::cancelled));
        }
        local_.reset();
    }
}

// --- Identity --------------------------------------------------------------------------------

TEST_F(KilledJobs, AreNotTakenForAStrangerWithTheSamePid) {
    open();
    ASSERT_TRUE(local_->submit(shell("reused", "sleep 1000")));
    ASSERT_TRUE(reaches("reused", State::running));
    local_.reset();
    auto word = attempt("reused");
    const auto wrapper = word.wrapper;
    ASSERT_TRUE(core::send_signal(wrapper, SIGKILL));
    ASSERT_TRUE([&] {
        const core::Deadline deadline(clock_, 10s);
        while (core::alive(wrapper) && !deadline.passed()) {
            std::this_thread::sleep_for(1ms);
        }
        return !core::alive(wrapper);
    }());
    // This very process now has the numbers of the wrapper and of the child.
    word.wrapper = core::identify(::getpid()).value();
    word.child = word.wrapper;
    --word.wrapper.start_ticks;
    --word.child.start_ticks;
    ASSERT_TRUE(core::write_file(files("reused").attempt(), attempt_text(word)));
    open();
    ASSERT_TRUE(ends("reused", End::vanished));
}

TEST_F(KilledJobs, OfAnEarlierBootAreLostAndNobodyIsSignalled) {
    open();
    ASSERT_TRUE(local_->submit(shell("rebooted", "sleep 1000")));
    ASSERT_TRUE(reaches("rebooted", State::running));
    local_.reset();
    auto word = attempt("rebooted");
    const auto wrapper = word.wrapper;
    word.wrapper.boot_id = word.child.boot_id = "00000000-0000-0000-0000-000000000000";
    ASSERT_TRUE(core::write_file(files("rebooted").attempt(), attempt_text(word)));
    open();
    ASSERT_TRUE(ends("rebooted", End::node_lost));
    EXPECT_THAT(status("rebooted").reason, HasSubstr("restarted"));
    EXPECT_TRUE(core::alive(wrapper));
    ASSERT_TRUE(core::send_signal(wrapper, SIGTERM));
    EXPECT_TRUE(until([&] { return !core::alive(wrapper); }));
    EXPECT_EQ(local_->resubmit({"rebooted"}, {}).value(), 2);
    EXPECT_TRUE(reaches("rebooted", State::running));
}

// --- Files that cannot be believed -----------------------------------------------------------

TEST_F(KilledJobs, WithACorruptAttemptFileAreUnknownUntilTheyEnd) {
    open();
    ASSERT_TRUE(local_->submit(shell("torn", "while [ ! -e go ]; do sleep 0.01; done")));
    ASSERT_TRUE(reaches("torn", State::running));
    local_.reset();
    const auto good = read(files("torn").attempt());
    for (const auto& bad :
         {std::string(), std::string("{"), std::string(10000, '['), std::string("{\"format\":2}"),
          std::string("[]"), good.substr(0, good.size() / 2)}) {
        std::ofstream(files("torn").attempt()) << bad;
        open();
        EXPECT_EQ(status("torn").state, State::unknown) << bad;
        EXPECT_EQ(status("torn").source, Source::none);
        EXPECT_THAT(status("torn").reason, HasSubstr("attempt.json"));
        EXPECT_EQ(local_->forget({"torn"}).error().fault, Fault::conflict);
        EXPECT_EQ(local_->resubmit({"torn"}, {}).error().fault, Fault::conflict);
        local_.reset();
    }
    open();
    std::ofstream(files("torn").path / "go");
    EXPECT_TRUE(ends("torn", End::completed));
}

TEST_F(KilledJobs, WithACorruptExitFileAreLost) {
    open();
    ASSERT_TRUE(local_->submit(shell("torn", "true")));
    ASSERT_TRUE(ends("torn", End::completed));
    local_.reset();
    std::ofstream(files("torn").exit()) << "{\"format\":1,\"token\":\"other\"}";
    open();
    ASSERT_TRUE(ends("torn", End::vanished));
    EXPECT_THAT(status("torn").reason, HasSubstr("exit.json"));
}

TEST_F(KilledJobs, WithACorruptSpecificationAreNeverStarted) {
    open();
    const auto node = local_->nodes().value().front().name;
    ASSERT_TRUE(hold(node, "test"));
    ASSERT_TRUE(local_->submit(shell("one", "touch ../ran")));
    ASSERT_TRUE(local_->submit(shell("two", "touch ../ran")));
    ASSERT_TRUE(local_->submit(shell("three", "touch ../ran")));
    local_.reset();
    std::ofstream(options_.book.jobs / "one/job.json") << "{\"format\":1,\"token\":\"two\"}";
    std::ofstream(options_.book.jobs / "two/fence.json") << "{\"format\":1,\"epoch\":-1}";
    ASSERT_TRUE(core::remove_tree(options_.book.jobs / "three/1"));
    std::ofstream(options_.book.jobs / "stray-file");
    ASSERT_TRUE(core::make_directories(options_.book.jobs / "half-made/1"));
    ASSERT_TRUE(core::make_directories(options_.book.jobs / "Not a token"));
    open();
    ASSERT_TRUE(release(node));
    local_->poll();
    EXPECT_EQ(status("one").state, State::unknown);
    EXPECT_EQ(status("two").state, State::unknown);
    EXPECT_EQ(status("three").end, End::vanished);
    EXPECT_FALSE(core::path_exists(options_.book.jobs / "half-made"));
    EXPECT_TRUE(core::path_exists(options_.book.jobs / "Not a token"));
    EXPECT_FALSE(core::path_exists(options_.book.jobs / "one/ran"));
    EXPECT_EQ(local_->list().value().size(), 3U);
    EXPECT_TRUE(local_->cancel({"one"}));
    EXPECT_EQ(status("one").end, End::cancelled);
    EXPECT_TRUE(local_->forget({"one"}));
    EXPECT_TRUE(local_->forget({"two"}));
    EXPECT_TRUE(local_->forget({"three"}));
}

TEST_F(KilledJobs, WhoseDirectoryIsRemovedStop) {
    open();
    ASSERT_TRUE(local_->submit(shell("homeless", "sleep 1000")));
    ASSERT_TRUE(reaches("homeless", State::running));
    const auto word = attempt("homeless");
    ASSERT_TRUE(core::remove_tree(options_.book.jobs / "homeless"));
    EXPECT_TRUE(until([&] { return !core::alive(word.wrapper) && !core::alive(word.child); }));
    EXPECT_TRUE(ends("homeless", End::vanished));
}

}  // namespace
}  // namespace sust::cluster
