#include "tune/split.h"

#include <algorithm>
#include <random>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::tune {
namespace {

class SplitFile : public testing::Test {
  protected:
    std::vector<std::string> numbered(int count) {
        std::vector<std::string> lines;
        for (int i = 0; i < count; ++i) {
            lines.push_back("{\"n\":" + std::to_string(i) + "}");
        }
        return lines;
    }
    core::Result<Split> split(const std::vector<std::string>& lines, SplitLimits limits = {}) {
        std::string text;
        for (const auto& line : lines) {
            text += line + "\n";
        }
        EXPECT_TRUE(core::write_file(folder_.path() / "all", text));
        return split_data(folder_.path() / "all", folder_.path() / "train", folder_.path() / "held",
                          limits);
    }
    std::set<std::string> lines_of(const char* name) {
        std::istringstream in(*core::read_file(folder_.path() / name, 1 << 20));
        std::set<std::string> lines;
        for (std::string line; std::getline(in, line);) {
            lines.insert(line);
        }
        return lines;
    }
    core::TemporaryDirectory folder_ = *core::TemporaryDirectory::create("/tmp", "split");
};

TEST_F(SplitFile, ATenthIsHeldOutAndNeverTrainedOn) {
    const auto done = split(numbered(100));
    ASSERT_TRUE(done);
    EXPECT_EQ(done->held_out, 10u);
    EXPECT_EQ(done->trained, 90u);
    for (const auto& line : lines_of("held")) {
        EXPECT_FALSE(lines_of("train").contains(line));
    }
}

TEST_F(SplitFile, TheOrderOfTheLinesDoesNotMatter) {
    auto lines = numbered(100);
    ASSERT_TRUE(split(lines));
    const auto held = lines_of("held");
    std::shuffle(lines.begin(), lines.end(), std::mt19937(1));
    ASSERT_TRUE(split(lines));
    EXPECT_EQ(lines_of("held"), held);
}

TEST_F(SplitFile, DuplicatesStayOnOneSide) {
    auto lines = numbered(50);
    const auto again = numbered(50);
    lines.insert(lines.end(), again.begin(), again.end());
    ASSERT_TRUE(split(lines));
    for (const auto& line : lines_of("held")) {
        EXPECT_FALSE(lines_of("train").contains(line));
    }
}

TEST_F(SplitFile, NoMoreThanTheLimitIsHeldOut) {
    EXPECT_EQ(split(numbered(500), {.max_held_out = 20})->held_out, 20u);
}

TEST_F(SplitFile, TooFewLinesAreRefused) {
    const auto done = split(numbered(9));
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().hint, testing::HasSubstr("--eval"));
    EXPECT_FALSE(split(std::vector<std::string>(50, "{}")));
}

}  // namespace
}  // namespace sust::tune
