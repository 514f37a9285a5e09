#include "cluster/cgroup.h"

#include <gtest/gtest.h>

namespace sust::cluster {
namespace {

TEST(Cgroups, AreWhereTheUnifiedHierarchyIsMounted) {
    EXPECT_EQ(
        unified_mount("24 1 0:22 / / rw - ext4 /dev/vda rw\n"
                      "36 25 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"),
        "/sys/fs/cgroup");
    EXPECT_EQ(unified_mount("24 1 0:22 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"),
              "");
    EXPECT_EQ(unified_mount("- cgroup2\n1 2 3 4 5 -\n\n"), "");
}

TEST(Cgroups, OfThisProcessAreTheLineOfTheUnifiedHierarchy) {
    EXPECT_EQ(own_group("4:memory:/a\n0::/user.slice/user-1000.slice/x.scope\n"),
              "/user.slice/user-1000.slice/x.scope");
    EXPECT_EQ(own_group("4:memory:/a\n"), "");
}

TEST(Cgroups, AreNotTakenWhereNobodyGaveThem) {
    const auto temporary = core::TemporaryDirectory::create("/tmp", "sust-cgroup-").value();
    const auto opened = open_cgroups(temporary.path());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().fault, core::Fault::unavailable);
    EXPECT_EQ(opened.error().where, temporary.path().string());
}

}  // namespace
}  // namespace sust::cluster
