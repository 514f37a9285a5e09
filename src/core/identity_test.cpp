#include "core/identity.h"

#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/process.h"

namespace sust::core {
namespace {

using testing::HasSubstr;

const Identity k_somebody{.uid = 21234, .gid = 21235, .groups = {21236}};

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
