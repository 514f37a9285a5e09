#include "core/identity.h"

#include <filesystem>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/process.h"

namespace sust::core {
namespace {

const Identity k_somebody{.name = "somebody", .uid = 21234, .gid = 21235, .groups = {21236}};

class AnIdentity : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "only root may become somebody else";
        }
    }
    TemporaryDirectory temporary_ = TemporaryDirectory::create("/tmp", "sust-identity-").value();
};

TEST_F(AnIdentity, ReadsAndWritesAsThatUserAlone) {
    ASSERT_TRUE(write_file(temporary_.path() / "secret", "root's", 0640));
    ASSERT_EQ(::chmod(temporary_.path().c_str(), 0777), 0);
    std::promise<void> now;
    // Started before: a thread begins as whoever starts it.
    std::thread other([&, began = now.get_future()]() mutable {
        began.wait();
        EXPECT_TRUE(read_file(temporary_.path() / "secret", 100));
    });
    {
        const auto acting = ActAs::begin(k_somebody);
        EXPECT_TRUE(acting);
        EXPECT_FALSE(read_file(temporary_.path() / "secret", 100));
        now.set_value();
        other.join();
        EXPECT_TRUE(write_file(temporary_.path() / "own", "x"));
    }
    EXPECT_TRUE(read_file(temporary_.path() / "secret", 100));
    struct stat info {};
    ASSERT_EQ(::stat((temporary_.path() / "own").c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, k_somebody.uid);
    EXPECT_EQ(info.st_gid, k_somebody.gid);
}

TEST_F(AnIdentity, IsLedNowhereByALinkOfThatUser) {
    const auto secret = temporary_.path() / "secret";
    const auto home = temporary_.path() / "home";
    ASSERT_EQ(::chmod(temporary_.path().c_str(), 0755), 0);
    ASSERT_TRUE(write_file(secret, "root's", 0640));  // root's group may read it, too
    ASSERT_TRUE(make_directories(home, 0700));
    ASSERT_EQ(::chown(home.c_str(), k_somebody.uid, k_somebody.gid), 0);
    std::filesystem::create_symlink(secret, home / "link");
    {
        const auto acting = ActAs::begin(k_somebody);
        ASSERT_TRUE(acting);
        EXPECT_FALSE(read_file(home / "link", 100));
        EXPECT_TRUE(write_file(home / "own", "x"));
        EXPECT_FALSE(write_file(temporary_.path() / "other", "x"));
    }
    EXPECT_TRUE(read_file(home / "link", 100));
}

TEST_F(AnIdentity, IsTakenOnInsideAnotherAndGivenBack) {
    ASSERT_TRUE(write_file(temporary_.path() / "secret", "root's", 0600));
    const auto reads = [&] { return read_file(temporary_.path() / "secret", 100).has_value(); };
    ASSERT_EQ(::chmod(temporary_.path().c_str(), 0755), 0);
    const auto acting = ActAs::begin(k_somebody);
    ASSERT_TRUE(acting);
    EXPECT_FALSE(reads());
    {
        const auto as_root = ActAs::begin(Identity{.name = "root"});
        ASSERT_TRUE(as_root);
        EXPECT_TRUE(reads());
        const auto as_before = ActAs::begin(std::nullopt);
        EXPECT_TRUE(reads());
    }
    EXPECT_FALSE(reads());
}

TEST_F(AnIdentity, IsNobodyElsesToTakeOn) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (assume(k_somebody) != 0) {
            ::_exit(1);
        }
        const auto acting = ActAs::begin(Identity{.name = "another", .uid = 21334, .gid = 21335});
        const bool denied = !acting && acting.error().fault == Fault::denied &&
                            acting.error().message.find("another") != std::string::npos;
        ::_exit(denied ? 0 : 2);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(AnIdentity, OfAProgramIsAllOfIt) {
    const SystemClock clock;
    Command command{
        .argv = {"sh", "-c", "id -u; id -ru; id -g; id -G; grep CapEff /proc/self/status"},
        .identity = k_somebody};
    const auto output = run(command, Deadline(clock, std::chrono::seconds(60))).value();
    EXPECT_EQ(output.out, "21234\n21234\n21235\n21235 21236\nCapEff:\t0000000000000000\n");
}

}  // namespace
}  // namespace sust::core
