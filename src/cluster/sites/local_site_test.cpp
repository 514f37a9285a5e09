#include "cluster/sites/local_site.h"

#include <gmock/gmock.h>

#include "cluster/sites/sites.h"

namespace sust::cluster {
namespace {

using testing::HasSubstr;

TEST(LocalSite, IsLookedUpWhereNothingIsSaid) {
    const auto settings = read_local("", "backends.toml").value();
    EXPECT_FALSE(settings.gpus);
    EXPECT_TRUE(settings.cgroup.empty());
}

TEST(LocalSite, StandsBesideTheOthers) {
    const std::string text =
        "[local]\ngpus = 4\ngpu_type = 'gh200'\ncgroup = '/sys/fs/cgroup/site'\n"
        "[backend.alps]\ntype = 'slurm'\njobs = '/j'\n";
    const auto settings = read_local(text, "backends.toml").value();
    EXPECT_EQ(settings.gpus, 4);
    EXPECT_EQ(settings.gpu_type, "gh200");
    EXPECT_EQ(settings.cgroup, "/sys/fs/cgroup/site");
    EXPECT_EQ(read_sites(text, "backends.toml", {.agent = "/a"})->size(), 1U);
}

TEST(LocalSite, LooksPrincipalsUp) {
    const auto settings =
        read_local("[local]\nprincipals = ['nobody']\njobs = '/j'", "backends.toml").value();
    const auto* who = settings.principals.named("nobody");
    ASSERT_NE(who, nullptr);
    EXPECT_GT(who->identity.uid, 0U);
    EXPECT_FALSE(who->identity.groups.empty());
    EXPECT_EQ(settings.principals.of(who->identity.uid), who);
    EXPECT_EQ(settings.principals.named("root"), nullptr);
}

TEST(LocalSite, NamesWhatIsWrongWithItsPlace) {
    for (const auto& [text, named] :
         {std::pair("[local]\ngpu = 4", "did you mean 'gpus'"),
          std::pair("[local]\ngpus = -1", "backends.toml:2"),
          std::pair("[local]\ngpus = 'two'", "backends.toml:2"),
          std::pair("[local]\ncgroup = 'site'", "absolute path"),
          std::pair("[local]\nprincipals = ['no-such-user']\njobs = '/j'",
                    "no user 'no-such-user'"),
          std::pair("[local]\nprincipals = ['root']\njobs = '/j'", "is root"),
          std::pair("[local]\nprincipals = ['nobody']", "needs 'jobs'"),
          std::pair("local = 3", "must be a table")}) {
        const auto refused = read_local(text, "backends.toml");
        ASSERT_FALSE(refused) << text;
        EXPECT_THAT(core::to_string(refused.error()), HasSubstr(named)) << text;
    }
}

}  // namespace
}  // namespace sust::cluster
