#include "store/blobs.h"

#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>

#include "store/test_support.h"

namespace sust::store {
namespace {

using ::testing::HasSubstr;

class BlobsTest : public StoreTest {};

TEST_F(BlobsTest, GiveBackTheBytes) {
    auto store = open();
    const auto blob = store.put_bytes("abc", "text/plain");
    ASSERT_TRUE(blob);
    EXPECT_EQ(blob->digest, Digest::of("abc"));
    EXPECT_EQ(blob->size, 3U);
    EXPECT_EQ(blob->media_type, "text/plain");
    EXPECT_EQ(*store.read_blob(blob->digest), "abc");
    EXPECT_TRUE(store.has_blob(blob->digest));
}

TEST_F(BlobsTest, AFileIsStreamedIn) {
    auto store = open();
    const std::string bytes(3'000'000, 'x');
    ASSERT_TRUE(core::write_file(home.path() / "file", bytes));
    const auto blob = store.put_file(home.path() / "file", "m");
    ASSERT_TRUE(blob);
    EXPECT_EQ(blob->digest, Digest::of(bytes));
    EXPECT_TRUE(store.verify_blob(blob->digest));
    EXPECT_EQ(store.put_file(home.path() / "absent", "m").error().fault, core::Fault::not_found);
    EXPECT_EQ(store.put_file(home.path(), "m").error().fault, core::Fault::invalid);
}

TEST_F(BlobsTest, NothingIsVisibleBeforeTheCommitAndNothingRemainsWithoutIt) {
    auto store = open();
    {
        auto writer = *store.begin_blob();
        ASSERT_TRUE(writer->write("half"));
        EXPECT_EQ(blob_count(), 0U);
        EXPECT_EQ(temporary_count(), 1U);
    }
    EXPECT_EQ(blob_count(), 0U);
    EXPECT_EQ(temporary_count(), 0U);
}

TEST_F(BlobsTest, OtherBytesThanAnnouncedAreAConflict) {
    auto store = open();
    auto writer = *store.begin_blob();
    ASSERT_TRUE(writer->write("truncated"));
    const auto blob = writer->commit(Digest::of("truncated not"));
    ASSERT_FALSE(blob);
    EXPECT_EQ(blob.error().fault, core::Fault::conflict);
    EXPECT_EQ(blob_count(), 0U);
    EXPECT_EQ(temporary_count(), 0U);
    EXPECT_FALSE(writer->write("more")) << "an upload ends once";
    EXPECT_FALSE(writer->commit());
}

TEST_F(BlobsTest, DamagedBytesAreNamedAndMendedByTheNextUpload) {
    auto store = open();
    const auto digest = store.put_bytes("abc", "m")->digest;
    for (const std::string bad : {"abd", "ab", ""}) {
        ASSERT_TRUE(core::write_file(store.blob_path(digest), bad));
        for (const auto& error :
             {store.read_blob(digest).error(), store.verify_blob(digest).error()}) {
            EXPECT_EQ(error.fault, core::Fault::internal);
            EXPECT_THAT(error.message, HasSubstr(digest.str()));
            EXPECT_THAT(error.where, HasSubstr(digest.hex()));
        }
    }
    ASSERT_TRUE(store.put_bytes("abc", "m"));
    EXPECT_TRUE(store.verify_blob(digest));
}

TEST_F(BlobsTest, ReadingIsBounded) {
    auto store = open();
    const auto digest = store.put_bytes(std::string(100, 'x'), "m")->digest;
    EXPECT_EQ(store.read_blob(digest, 99).error().fault, core::Fault::too_large);
    EXPECT_EQ(store.read_blob(Digest::of("absent")).error().fault, core::Fault::not_found);
}

TEST_F(BlobsTest, AWriterThatIsKilledLeavesNothingThatACollectionDoesNotRemove) {
    auto store = open();
    const int status = in_child([&] {
        auto writer = *store.begin_blob();
        (void)writer->write("half");
        return ::raise(SIGKILL);
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(blob_count(), 0U);
    EXPECT_EQ(temporary_count(), 1U);

    auto alive = *store.begin_blob();
    ASSERT_TRUE(alive->write("abc"));
    EXPECT_EQ(store.collect(core::Duration(0), Store::DryRun::yes)->temporary_files, 1U);
    EXPECT_EQ(temporary_count(), 2U);
    const auto garbage = store.collect(core::Duration(0), Store::DryRun::no);
    ASSERT_TRUE(garbage);
    EXPECT_EQ(garbage->temporary_files, 1U);
    EXPECT_EQ(garbage->temporary_bytes, 4U);
    EXPECT_EQ(temporary_count(), 1U) << "the upload in progress stays";
    EXPECT_TRUE(alive->commit(Digest::of("abc")));
}

TEST_F(BlobsTest, TwoUploadsOfTheSameBytesAreOneBlob) {
    auto store = open();
    auto first = *store.begin_blob();
    auto second = *store.begin_blob();
    ASSERT_TRUE(first->write("abc"));
    ASSERT_TRUE(second->write("abc"));
    EXPECT_TRUE(first->commit());
    EXPECT_TRUE(second->commit());
    EXPECT_EQ(blob_count(), 1U);
}

// Exit statuses of the child that sees a small disk.
enum : int { k_good = 0, k_bad = 1, k_no_namespace = 2 };

int fill_small_disk(const Path& mount_point, const core::Clock& clock) {
    const auto uid = ::geteuid();
    const auto gid = ::getegid();
    if (::unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) {
        return k_no_namespace;
    }
    if (uid != 0) {  // without a number of its own nobody makes files
        std::ofstream("/proc/self/setgroups") << "deny";
        std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
        std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
    }
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=256k") != 0) {
        return k_no_namespace;
    }
    auto store = Store::open(mount_point / "store", clock);
    if (!store || !store->put_bytes("fits", "m")) {
        return k_bad;
    }
    const auto before = *core::free_bytes(mount_point);
    const auto full = store->put_bytes(std::string(1 << 20, 'x'), "m");
    const bool refused = !full && full.error().fault == core::Fault::exhausted;
    const bool gave_back = *core::free_bytes(mount_point) == before;
    return refused && gave_back && store->put_bytes("fits too", "m") ? k_good : k_bad;
}

TEST_F(BlobsTest, AFullDiskIsExhaustedAndNothingIsLeft) {
    const int status = in_child([&] { return fill_small_disk(home.path(), clock); });
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == k_no_namespace) {
        GTEST_SKIP() << "no mount namespace may be made here, so there is no small disk to fill";
    }
    EXPECT_EQ(WEXITSTATUS(status), k_good);
}

}  // namespace
}  // namespace sust::store
