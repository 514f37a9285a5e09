#include "core/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace sust::core {
namespace {

class Files : public testing::Test {
  protected:
    TemporaryDirectory directory_ =
        TemporaryDirectory::create(testing::TempDir(), "files-").value();
    Path path(const char* name) const { return directory_.path() / name; }
};

TEST_F(Files, AWriteIsSeenWholeWithItsMode) {
    ASSERT_TRUE(write_file(path("a"), "one", 0600));
    ASSERT_TRUE(write_file(path("a"), "two", 0640));
    EXPECT_EQ(read_file(path("a"), 100).value(), "two");
    struct stat info {};
    ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0640U);
}

TEST_F(Files, AFailedWriteLeavesNothingBehind) {
    EXPECT_FALSE(write_file(path("absent/a"), "x"));
    ASSERT_TRUE(make_directories(path("b/c")));
    EXPECT_FALSE(write_file(path("b"), "x"));  // a directory is in the way
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(directory_.path())) {
        ++entries;
    }
    EXPECT_EQ(entries, 1U);
}

TEST_F(Files, ReadsAreBounded) {
    ASSERT_TRUE(write_file(path("a"), "12345"));
    EXPECT_TRUE(read_file(path("a"), 5));
    EXPECT_EQ(read_file(path("a"), 4).error().fault, Fault::too_large);
    EXPECT_EQ(read_file(path("b"), 4).error().fault, Fault::not_found);
    EXPECT_FALSE(read_file_if_any(path("b"), 4).value().has_value());
}

TEST_F(Files, OnlyOneHoldsALock) {
    auto first = FileLock::try_acquire(path("lock")).value();
    ASSERT_TRUE(first);
    EXPECT_FALSE(FileLock::try_acquire(path("lock")).value());
    const ManualClock clock;
    EXPECT_EQ(FileLock::acquire(path("lock"), Deadline(clock, 0ms)).error().fault, Fault::timeout);
    first.reset();
    EXPECT_TRUE(FileLock::acquire(path("lock"), Deadline(clock, 0ms)));
}

TEST_F(Files, ATemporaryDirectoryTakesItsContentsAlong) {
    Path inside;
    {
        auto temporary = TemporaryDirectory::create(directory_.path(), "t-").value();
        inside = temporary.path();
        ASSERT_TRUE(write_file(inside / "x", "x"));
    }
    EXPECT_FALSE(path_exists(inside));
}

}  // namespace
}  // namespace sust::core
