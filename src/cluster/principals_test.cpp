#include "cluster/principals.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

namespace sust::cluster {
namespace {

using testing::HasSubstr;

const Principals k_listed(
    {{.identity = {"ann", 21234, 21235, {21236}}, .home = "/home/ann", .shell = "/bin/zsh"},
     {.identity = {"bob", 21334, 21335, {}}, .home = "/", .shell = "/bin/sh"}});

TEST(PrincipalsOfABackEnd, AreThoseOnTheList) {
    EXPECT_EQ(k_listed.owner_for({.token = {"j"}}, "local").value(), std::nullopt);
    EXPECT_EQ(k_listed.owner_for({.token = {"j"}, .principal = "bob"}, "local").value()->uid,
              21334U);
    for (const auto* name : {"eve", "root", "21234"}) {
        const auto refused = k_listed.owner_for({.token = {"j"}, .principal = name}, "local");
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().fault, core::Fault::denied);
        EXPECT_THAT(refused.error().message,
                    HasSubstr(std::string("local does not run jobs as ") + name));
        EXPECT_THAT(refused.error().hint, HasSubstr("ann, bob"));
    }
}

TEST(PrincipalsOfABackEnd, GetTheirOwnEnvironment) {
    const auto environment = environment_of(
        *k_listed.named("ann"),
        {{"HOME", "/root"}, {"XDG_RUNTIME_DIR", "/run/user/0"}, {"SHELL", "/bin/sh"}, {"A", "b"}});
    const core::Environment expected = {{"HOME", "/home/ann"},
                                        {"USER", "ann"},
                                        {"LOGNAME", "ann"},
                                        {"SHELL", "/bin/zsh"},
                                        {"A", "b"}};
    EXPECT_EQ(environment, expected);
}

TEST(PrincipalsOfABackEnd, AreKnownByWhoseADirectoryIs) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root has directories of others";
    }
    const auto folder = core::TemporaryDirectory::create("/tmp", "sust-principals-").value();
    const auto directory = folder.path() / "job";
    ASSERT_TRUE(core::make_directories(directory));
    EXPECT_EQ(k_listed.owner_of(directory), std::nullopt) << "ours";
    ASSERT_EQ(::chown(directory.c_str(), 21234, 21235), 0);
    EXPECT_EQ(k_listed.owner_of(directory), k_listed.named("ann")->identity);
    const auto unlisted = Principals().owner_of(directory);
    ASSERT_TRUE(unlisted) << "whatever the list says, it is not ours";
    EXPECT_EQ(unlisted->uid, 21234U);
    EXPECT_TRUE(unlisted->groups.empty());
    EXPECT_EQ(k_listed.owner_of(folder.path() / "absent"), std::nullopt);
    ASSERT_EQ(::chown(folder.path().c_str(), 21234, 21235), 0);
    EXPECT_EQ(k_listed.owner_of(directory), std::nullopt)
        << "a server of files that calls all that is ours somebody else's";
    ASSERT_EQ(::chown(folder.path().c_str(), 0, 0), 0);
}

}  // namespace
}  // namespace sust::cluster
