#include "core/sync.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sust::core {
namespace {

TEST(Sync, WhatIsWrittenTogetherIsInItsPlaceAndFollowsNoLink) {
    const auto home = TemporaryDirectory::create("/tmp", "sync-").value();
    const auto file = home.path() / "file";
    ASSERT_TRUE(write_unsynced(file, "longer than what follows", 0600));
    ASSERT_TRUE(write_unsynced(file, "short", 0640));
    EXPECT_EQ(read_file(file, 100).value(), "short");
    struct stat info {};
    ASSERT_EQ(::stat(file.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0640U);
    const auto link = home.path() / "link";
    ASSERT_EQ(::symlink(file.c_str(), link.c_str()), 0);
    EXPECT_FALSE(write_unsynced(link, "elsewhere", 0600));
    EXPECT_EQ(read_file(file, 100).value(), "short");
    const auto pipe = home.path() / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_FALSE(write_unsynced(pipe, "nobody reads", 0600)) << "and it is not waited for";
    EXPECT_TRUE(sync_file_system(home.path()));
    EXPECT_FALSE(sync_file_system(home.path() / "none"));
}

// A file system that has no disk is not synced as a whole: its own fsync knows what to do.
TEST(Sync, OnlyFileSystemsThatAreKnownAreSyncedAsAWhole) {
    EXPECT_FALSE(syncs_as_a_whole("/proc"));
    EXPECT_FALSE(syncs_as_a_whole("/nowhere"));
}

}  // namespace
}  // namespace sust::core
