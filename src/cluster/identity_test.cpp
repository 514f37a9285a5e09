#include "cluster/identity.h"

#include <filesystem>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

namespace sust::cluster {
namespace {

const Identity k_nobody{.name = "nobody", .uid = 65534, .gid = 65534, .groups = {65534}};

class Identities : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "only root acts as others";
        }
        ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
        ASSERT_TRUE(core::write_file(folder_.path() / "secret", "s", 0640));  // root:root
    }

    core::TemporaryDirectory folder_ =
        core::TemporaryDirectory::create("/tmp", "sust-identity-").value();
};

TEST_F(Identities, AnothersLinkDoesNotReachWhatTheyMayNotRead) {
    const auto home = folder_.path() / "home";
    ASSERT_TRUE(core::make_directories(home, 0700));
    ASSERT_EQ(::chown(home.c_str(), k_nobody.uid, k_nobody.gid), 0);
    std::filesystem::create_symlink(folder_.path() / "secret", home / "link");
    {
        const auto acting = ActingAs::begin(k_nobody);
        ASSERT_TRUE(acting);
        EXPECT_FALSE(core::read_file(home / "link", 10)) << "neither as owner nor by root's group";
        EXPECT_TRUE(core::write_file(home / "own", "x"));
        EXPECT_FALSE(core::write_file(folder_.path() / "other", "x"));
    }
    EXPECT_TRUE(core::read_file(home / "link", 10));
    struct stat info {};
    ASSERT_EQ(::stat((home / "own").c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, k_nobody.uid);
    EXPECT_EQ(info.st_gid, k_nobody.gid);
}

TEST_F(Identities, OtherThreadsStayWhatTheyAre) {
    std::promise<void> go;
    std::thread other([&, acts = go.get_future()]() mutable {
        acts.wait();
        EXPECT_TRUE(core::read_file(folder_.path() / "secret", 10));
    });
    {
        const auto acting = ActingAs::begin(k_nobody);
        EXPECT_TRUE(acting);
        EXPECT_FALSE(core::read_file(folder_.path() / "secret", 10));
        go.set_value();
        other.join();
    }
    EXPECT_TRUE(core::read_file(folder_.path() / "secret", 10));
}

}  // namespace
}  // namespace sust::cluster
