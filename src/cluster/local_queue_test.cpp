// Shares of this machine with real processes: who waits, what a job has, and what is found again.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "cluster/machine.h"
#include "cluster/test_jobs.h"
#include "core/text.h"

namespace sust::cluster {
namespace {

using namespace std::chrono_literals;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto k_wait = "while [ ! -e ../go ]; do sleep 0.01; done";

class LocalQueue : public LocalJobs {
  protected:
    LocalQueue() { options_.settings.gpus = 2; }

    JobSpec with_gpus(const std::string& token, int count, int priority = 0) {
        auto spec = shell(token, std::string("echo $CUDA_VISIBLE_DEVICES; ") + k_wait);
        spec.shape.gpus.count = count;
        spec.priority = priority;
        return spec;
    }
    void let_go(const std::string& token) {
        ASSERT_TRUE(core::write_file(options_.book.jobs / token / "go", ""));
    }
    std::string why(const std::string& token) { return status(token).reason; }
    bool has_printed(const std::string& token) {
        return until([&] { return !log(token).empty(); });
    }
};

TEST_F(LocalQueue, GivesEachGpuToOneJob) {
    open();
    for (const auto* token : {"a", "b", "c"}) {
        ASSERT_TRUE(local_->submit(with_gpus(token, 1)));
    }
    ASSERT_TRUE(has_printed("a") && has_printed("b"));
    EXPECT_EQ(log("a"), "0\n");
    EXPECT_EQ(log("b"), "1\n");
    EXPECT_EQ(status("c").state, State::queued);
    EXPECT_EQ(why("c"), "waits for 1 GPUs, 0 of 2 are free");
    let_go("b");
    ASSERT_TRUE(ends("b", End::completed) && has_printed("c"));
    EXPECT_EQ(log("c"), "1\n");
}

TEST_F(LocalQueue, FindsSharesAgain) {
    open();
    ASSERT_TRUE(local_->submit(with_gpus("a", 1)));
    ASSERT_TRUE(local_->submit(with_gpus("both", 2)));
    ASSERT_TRUE(reaches("a", State::running));
    EXPECT_EQ(status("both").state, State::queued);
    reopen();
    ASSERT_TRUE(local_->submit(with_gpus("late", 2)));
    local_->poll();
    EXPECT_EQ(status("a").state, State::running);
    EXPECT_EQ(status("both").state, State::queued);
    let_go("a");
    ASSERT_TRUE(has_printed("both"));
    EXPECT_EQ(log("both"), "0,1\n");
    EXPECT_EQ(status("late").state, State::queued);
}

TEST_F(LocalQueue, KeepsTheOrderAcrossControllers) {
    open();
    ASSERT_TRUE(local_->submit(with_gpus("running", 2)));
    ASSERT_TRUE(local_->submit(with_gpus("z-early", 2)));
    ASSERT_TRUE(local_->submit(with_gpus("a-late", 2)));
    ASSERT_TRUE(local_->submit(with_gpus("m-urgent", 2, 5)));
    local_.reset();
    let_go("running");
    open();
    ASSERT_TRUE(reaches("m-urgent", State::running));
    EXPECT_EQ(status("z-early").state, State::queued);
    let_go("m-urgent");
    ASSERT_TRUE(reaches("z-early", State::running));
    EXPECT_EQ(status("a-late").state, State::queued);
}

TEST_F(LocalQueue, IsLeftByWhoIsCancelled) {
    open();
    ASSERT_TRUE(local_->submit(with_gpus("running", 2)));
    ASSERT_TRUE(local_->submit(with_gpus("waiting", 2, 5)));
    ASSERT_TRUE(local_->submit(with_gpus("next", 2)));
    ASSERT_TRUE(local_->cancel({"waiting"}));
    ASSERT_TRUE(ends("waiting", End::cancelled));
    ASSERT_TRUE(local_->cancel({"running"}));
    ASSERT_TRUE(reaches("next", State::running));
}

TEST_F(LocalQueue, SharesTheMachineWithWhoeverCountsNoCores) {
    open();
    for (int i = 0; i < 2 * static_cast<int>(core_indexes().size()) + 1; ++i) {
        ASSERT_TRUE(local_->submit(shell("free-" + std::to_string(i), k_wait)));
    }
    for (const auto& job : all_jobs()) {
        EXPECT_TRUE(reaches(job.token.value, State::running));
    }
}

TEST_F(LocalQueue, RunsAJobOnItsOwnCores) {
    open();
    auto spec = shell("one", "nproc; exec sleep 1000");
    spec.shape.cpus_per_task = 1;
    ASSERT_TRUE(local_->submit(spec));
    auto all = shell("all", "nproc");
    all.shape.cpus_per_task = static_cast<int>(core_indexes().size());
    ASSERT_TRUE(local_->submit(all));
    ASSERT_TRUE(has_printed("one"));
    EXPECT_EQ(log("one"), "1\n");
    EXPECT_EQ(status("all").state, State::queued);
    EXPECT_THAT(why("all"), HasSubstr("cores"));
    ASSERT_TRUE(local_->cancel({"one"}));
    ASSERT_TRUE(ends("all", End::completed));
    EXPECT_EQ(log("all"), fmt::format("{}\n", core_indexes().size()));
}

// By control groups the kernel ends it, by a limit of each process it fails by itself.
TEST_F(LocalQueue, LimitsMemory) {
    open();
    auto spec = shell("hungry", "exec python3 -c 'x = bytearray(400 << 20); print(len(x))'");
    spec.shape.memory_bytes = 200 << 20;
    ASSERT_TRUE(local_->submit(spec));
    ASSERT_TRUE(until([&] { return is_final(status("hungry").state); }));
    std::string detail;
    local_->check([&](Result<std::vector<CheckLine>> lines) {
        for (const auto& line : *lines) {
            detail += line.what == "limits of memory" ? line.detail : "";
        }
    });
    const bool by_group = detail.find("by control groups") != std::string::npos;
    EXPECT_EQ(status("hungry").end, by_group ? End::out_of_memory : End::failed) << detail;
    EXPECT_THAT(by_group ? why("hungry") : log("hungry", Stream::err),
                AnyOf(HasSubstr("of memory"), HasSubstr("MemoryError")));
    auto modest = spec;
    modest.token = {"modest"};
    modest.shape.memory_bytes = 2'000 << 20;
    ASSERT_TRUE(local_->submit(modest));
    ASSERT_TRUE(ends("modest", End::completed));
}

TEST_F(LocalQueue, RefusesWhatCouldNeverFit) {
    open();
    const auto refused = [&](const char* field, auto change) {
        auto spec = shell("never", "true");
        change(spec.shape);
        const auto accepted = local_->accepts(spec);
        ASSERT_FALSE(accepted) << field;
        EXPECT_EQ(accepted.error().where, field);
    };
    refused("cpus_per_task", [](Shape& shape) { shape.cpus_per_task = 10'000; });
    refused("cpus_per_task", [](Shape& shape) {
        shape.cpus_per_task = static_cast<int>(core_indexes().size());
        shape.tasks_per_node = 2;
    });
    refused("memory", [](Shape& shape) { shape.memory_bytes = 1ULL << 60; });
    refused("gpus", [](Shape& shape) { shape.gpus.count = 3; });
    refused("gpus.type", [](Shape& shape) { shape.gpus = {.count = 1, .type = "gh200"}; });
}

TEST_F(LocalQueue, WakesWhoWaitsWhenAJobEnds) {
    open();
    ASSERT_TRUE(local_->submit(shell("short", k_wait)));
    ASSERT_TRUE(reaches("short", State::running));
    reopen();  // found again, the wrapper is no child of this controller
    local_->poll();
    pollfd ready{local_->wake_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 0), 0);
    let_go("short");
    ASSERT_EQ(::poll(&ready, 1, 120'000), 1);
    local_->poll();
    EXPECT_EQ(status("short").state, State::ended);
    EXPECT_EQ(::poll(&ready, 1, 0), 0);
    ASSERT_TRUE(local_->submit(shell("own", "true")));
    ASSERT_EQ(::poll(&ready, 1, 120'000), 1);
    local_->poll();
    EXPECT_EQ(status("own").state, State::ended);
}

}  // namespace
}  // namespace sust::cluster
