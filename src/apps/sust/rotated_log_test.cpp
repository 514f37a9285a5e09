#include "apps/sust/rotated_log.h"

#include <gtest/gtest.h>

#include "core/rotating_file.h"

namespace sust::cli {
namespace {

class RotatedLogTest : public testing::Test {
  protected:
    // Each word fills a file of its own.
    void write(const std::string& word) { writer_.write(word); }
    std::string all(RotatedLog& log) {
        std::string text;
        while (true) {
            const auto piece = log.read().value();
            if (piece.empty()) {
                return text;
            }
            text += piece;
        }
    }
    core::TemporaryDirectory home_ =
        core::TemporaryDirectory::create(std::filesystem::temp_directory_path(), "log-").value();
    core::Path file_ = home_.path() / "sustd.log";
    core::RotatingFile writer_{file_, 4, 3};
};

TEST_F(RotatedLogTest, IsReadFromTheOldestFileToTheNewest) {
    for (const char* word : {"one\n", "two\n", "six\n"}) {
        write(word);
    }
    auto log = RotatedLog::open(file_).value();
    EXPECT_EQ(all(log), "one\ntwo\nsix\n");
}

TEST_F(RotatedLogTest, GoesOnAfterAnyNumberOfRotationsBetweenTwoLooks) {
    write("one\n");
    auto log = RotatedLog::open(file_).value();
    EXPECT_EQ(all(log), "one\n");
    write("two\n");
    EXPECT_EQ(all(log), "two\n");
    write("six\n");
    write("ten\n");
    write("end\n");
    EXPECT_EQ(all(log), "six\nten\nend\n") << "two rotations passed over a file in the middle";
    EXPECT_EQ(all(log), "");
}

TEST_F(RotatedLogTest, LeavesOutOnlyWhatIsGone) {
    write("one\n");
    auto log = RotatedLog::open(file_).value();
    EXPECT_EQ(all(log), "one\n");
    for (const char* word : {"two\n", "six\n", "ten\n", "end\n", "new\n"}) {
        write(word);
    }
    EXPECT_EQ(all(log), "six\nten\nend\nnew\n");
}

TEST_F(RotatedLogTest, OfNothingIsNotFound) {
    EXPECT_EQ(RotatedLog::open(home_.path() / "other.log").error().fault, core::Fault::not_found);
    auto begun = RotatedLog::open(file_).value();
    EXPECT_EQ(all(begun), "");
}

TEST_F(RotatedLogTest, WhatIsAddedToTheFileThatIsReadIsNotLost) {
    write("a\n");
    auto log = RotatedLog::open(file_).value();
    EXPECT_EQ(all(log), "a\n");
    write("b\n");
    write("six\n");
    EXPECT_EQ(all(log), "b\nsix\n");
}

}  // namespace
}  // namespace sust::cli
