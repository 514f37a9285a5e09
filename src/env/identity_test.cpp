#include "env/identity.h"

#include <gtest/gtest.h>

#include "env/hold.h"
#include "env/rootfs.h"

namespace sust::env {
namespace {

constexpr const char* k_image = "root:x:0:0:root:/root:/bin/bash\nana:x:77:77::/:/bin/sh\n";
constexpr const char* k_host =
    "root:x:0:0:root:/root:/bin/zsh\nana:x:1000:1000:Ana,,,:/home/ana:/bin/zsh\n"
    "ben:x:1001:100::/home/ben:/bin/fish\n";

TEST(Passwd, OfAnImageThatKnowsTheUserStaysAsItIs) {
    EXPECT_EQ(passwd_with(k_image, k_host, 0, 0), k_image);
}

TEST(Passwd, GetsTheHostsNameAndHomeWithAShellThatImagesHave) {
    EXPECT_EQ(passwd_with(k_image, k_host, 1001, 100),
              std::string(k_image) + "ben:x:1001:100::/home/ben:/bin/sh\n");
}

TEST(Passwd, NeverGivesOneNameToTwoUsers) {
    EXPECT_EQ(passwd_with(k_image, k_host, 1000, 1000),
              std::string(k_image) + "ana-host:x:1000:1000::/home/ana:/bin/sh\n");
}

TEST(Passwd, NamesAUserThatNobodyKnows) {
    EXPECT_EQ(passwd_with("", "broken\n::\n", 4242, 17), "user4242:x:4242:17::/:/bin/sh\n");
    EXPECT_EQ(group_with("root:x:0:", "", 17), "root:x:0:\ngroup17:x:17:\n");
}

TEST(Hosts, AlwaysKnowLocalhost) {
    EXPECT_EQ(hosts_with_localhost("127.0.0.1 localhost\n"), "127.0.0.1 localhost\n");
    EXPECT_EQ(hosts_with_localhost(""), "127.0.0.1 localhost\n::1 localhost\n");
}

TEST(MountOrder, PutsParentsFirstAndLetsTheLastWin) {
    auto ordered = in_order({{.source = "/1", .target = "/a/b"},
                             {.source = "/2", .target = "/a"},
                             {.source = "/3", .target = "/a/b", .read_only = true}});
    ASSERT_EQ(ordered.size(), 2U);
    EXPECT_EQ(ordered[0].source, "/2");
    EXPECT_EQ(ordered[1], (Mount{.source = "/3", .target = "/a/b", .read_only = true}));
}

TEST(MountRoots, NameTheProcessTheyStandFor) {
    core::ProcessId process{
        .boot_id = "0b0e-11", .pid = 4194304, .start_ticks = 18'446'744'073'709ULL};
    EXPECT_EQ(process_of_root(root_id(process)), process);
    for (const char* id : {"", "1", "1-2", "x-2-boot", "1-x-boot", "-1-2-boot", "0-2-boot"}) {
        EXPECT_FALSE(process_of_root(id)) << id;
    }
}

}  // namespace
}  // namespace sust::env
