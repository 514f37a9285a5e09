#include "env/memory.h"

#include <gtest/gtest.h>

namespace sust::env {
namespace {

class Memory : public ::testing::Test {
  protected:
    void write(const core::Path& file, std::string_view text) {
        auto path = folder_->path() / file;
        ASSERT_TRUE(core::make_directories(path.parent_path()));
        ASSERT_TRUE(core::append_file(path, text));
    }
    std::optional<std::uint64_t> available() const {
        return available_memory(folder_->path() / "proc", folder_->path() / "cgroup");
    }

    core::Result<core::TemporaryDirectory> folder_ =
        core::TemporaryDirectory::create(::testing::TempDir(), "memory-");
};

TEST_F(Memory, IsTheMachinesWhereNoGroupLimitsIt) {
    write("proc/meminfo", "MemTotal:  900 kB\nMemAvailable:     700 kB\n");
    write("proc/self/cgroup", "4:memory:/x\n0::/a/b\n");
    write("cgroup/a/b/memory.max", "max\n");
    write("cgroup/a/b/memory.current", "1\n");
    EXPECT_EQ(available(), 700 * 1024);
}

TEST_F(Memory, IsTheLeastThatAnyGroupAboveLeaves) {
    write("proc/meminfo", "MemAvailable:     700 kB\n");
    write("proc/self/cgroup", "0::/a/b\n");
    write("cgroup/a/memory.max", "5000\n");
    write("cgroup/a/memory.current", "2000\n");
    write("cgroup/a/b/memory.max", "9000\n");
    write("cgroup/a/b/memory.current", "10000\n");
    EXPECT_EQ(available(), 0U);
}

TEST_F(Memory, IsUnknownWithoutTheKernelsWord) {
    write("proc/meminfo", "MemAvailable: much\n");
    EXPECT_EQ(available(), std::nullopt);
}

}  // namespace
}  // namespace sust::env
