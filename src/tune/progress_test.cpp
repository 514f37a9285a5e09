#include "tune/progress.h"

#include <gtest/gtest.h>

#include "core/file.h"

namespace sust::tune {
namespace {

class ProgressFile : public testing::Test {
  protected:
    std::optional<Progress> read(std::string_view text) {
        EXPECT_TRUE(core::write_file(file_, text));
        auto progress = read_progress(file_);
        EXPECT_TRUE(progress);
        return *progress;
    }
    core::TemporaryDirectory folder_ = *core::TemporaryDirectory::create("/tmp", "progress");
    core::Path file_ = folder_.path() / "progress.jsonl";
};

TEST_F(ProgressFile, TheLastWholeLineCounts) {
    const auto progress = read(R"({"stage":"train","step":1,"steps":9}
{"stage":"train","step":2,"steps":9,"loss":1.5,"tokens_per_second":5000,"eta_seconds":3}
{"stage":"train","step":3,"st)");
    ASSERT_TRUE(progress);
    EXPECT_EQ(progress->step, 2);
    EXPECT_EQ(progress->loss, 1.5);
}

TEST_F(ProgressFile, LinesThatAreNoProgressArePassedOver) {
    const auto progress = read("{\"stage\":\"train\",\"step\":4,\"steps\":9}\nnoise\n[]\n{}\n");
    ASSERT_TRUE(progress);
    EXPECT_EQ(progress->step, 4);
}

TEST_F(ProgressFile, OnlyTheTailOfALongFileIsRead) {
    std::string text(1 << 20, 'x');
    text += "\n{\"stage\":\"train\",\"step\":5,\"steps\":9}\n";
    EXPECT_EQ(read(text)->step, 5);
    EXPECT_FALSE(read(std::string(1 << 20, 'x') + "\n"));
}

TEST_F(ProgressFile, NoFileIsNoProgress) {
    const auto progress = read_progress(folder_.path() / "absent");
    ASSERT_TRUE(progress);
    EXPECT_FALSE(*progress);
}

TEST_F(ProgressFile, WhatWasAppendedIsRead) {
    const Progress said{.stage = "evaluate", .step = 3, .steps = 7, .eta_seconds = 1.5};
    ASSERT_TRUE(append_progress(file_, said));
    EXPECT_EQ(**read_progress(file_), said);
}

}  // namespace
}  // namespace sust::tune
