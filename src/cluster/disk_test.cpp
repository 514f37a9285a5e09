// A full disk, on a small tmpfs in a mount namespace of the test's own.

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cluster/test_jobs.h"

namespace sust::cluster {
namespace {

using core::Fault;
using testing::HasSubstr;

class JobsOnAFullDisk : public LocalJobs {
  protected:
    void SetUp() override {
        const auto uid = ::getuid();
        const auto gid = ::getgid();
        const int wanted = CLONE_NEWNS | (uid == 0 ? 0 : CLONE_NEWUSER);
        if (::unshare(wanted) != 0) {
            // A sanitizer's thread, or a site's rule.
            GTEST_SKIP() << "no mount namespace for a test file system: " << ::strerror(errno);
        }
        if (uid != 0) {
            std::ofstream("/proc/self/setgroups") << "deny";
            std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
            std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
        }
        ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_TRUE(core::make_directories(options_.book.jobs));
        ASSERT_EQ(::mount("tmpfs", options_.book.jobs.c_str(), "tmpfs", 0, "size=1m"), 0);
        mounted_ = true;
        open();
    }

    ~JobsOnAFullDisk() override {
        if (mounted_) {
            free_disk();
            local_.reset();
            ::umount2(options_.book.jobs.c_str(), MNT_DETACH);
        }
    }

    // Whole blocks first, then every byte.
    void fill_disk() {
        std::ofstream file(filler());
        const std::string block(64 << 10, 'x');
        while (file << block << std::flush) {
        }
        ASSERT_EQ(core::free_bytes(options_.book.jobs).value(), 0U);
    }
    void free_disk() { (void)core::remove_tree(filler()); }
    Path filler() const { return options_.book.jobs / ".filler"; }

    bool mounted_ = false;
};

TEST_F(JobsOnAFullDisk, StillTellHowTheyEnded) {
    ASSERT_TRUE(local_->submit(shell("worker", "while [ ! -e go ]; do sleep 0.01; done; exit 5")));
    ASSERT_TRUE(reaches("worker", State::running));
    fill_disk();
    std::ofstream(files("worker").path / "go");
    ASSERT_TRUE(ends("worker", End::failed));
    EXPECT_EQ(status("worker").exit_status, 5);
    EXPECT_EQ(status("worker").source, Source::wrapper);
}

TEST_F(JobsOnAFullDisk, CanBeCancelled) {
    ASSERT_TRUE(local_->submit(shell("worker", "sleep 1000")));
    ASSERT_TRUE(reaches("worker", State::running));
    fill_disk();
    ASSERT_TRUE(local_->cancel({"worker"}));
    EXPECT_TRUE(ends("worker", End::cancelled));
}

TEST_F(JobsOnAFullDisk, AreRefusedAndLeaveNothing) {
    fill_disk();
    const auto refused = local_->submit(shell("late", "true"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::exhausted);
    EXPECT_TRUE(local_->list().value().empty());
    EXPECT_FALSE(core::path_exists(options_.book.jobs / "late"));
    free_disk();
    ASSERT_TRUE(local_->submit(shell("late", "true")));
    EXPECT_TRUE(ends("late", End::completed));
}

TEST_F(JobsOnAFullDisk, WaitToStartUntilThereIsRoom) {
    const auto node = local_->nodes().value().front().name;
    ASSERT_TRUE(hold(node, "test"));
    ASSERT_TRUE(local_->submit(shell("patient", "echo ran >> ../ran")));
    fill_disk();
    ASSERT_TRUE(release(node));
    ASSERT_TRUE(until([&] {
        const auto shown = status("patient");  // between two tries
        return shown.state == State::queued && shown.reason.find(" free in ") != std::string::npos;
    })) << status("patient").reason;
    EXPECT_FALSE(core::path_exists(options_.book.jobs / "patient/ran"));
    free_disk();
    ASSERT_TRUE(ends("patient", End::completed));
    EXPECT_EQ(core::read_file(options_.book.jobs / "patient/ran", 100).value(), "ran\n");
}

}  // namespace
}  // namespace sust::cluster
