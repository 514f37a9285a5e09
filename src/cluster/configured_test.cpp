#include "cluster/configured.h"

#include <gmock/gmock.h>

namespace sust::cluster {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const SiteDefaults k_defaults{.agent = "/opt/sust/bin/sust-agent", .base = {{"HOME", "/home/a"}}};

TEST(Backends, ASlurmSiteNeedsItsJobsAndHasDefaultsForTheRest) {
    const auto sites = read_backends(
        "[backend.alps]\ntype = 'slurm'\njobs = '/scratch/jobs'\npartition = 'normal'\n"
        "period = '5s'\n[backend.alps.env]\nSLURM_CONF = '/etc/slurm.conf'\n",
        "backends.toml", k_defaults);
    ASSERT_TRUE(sites) << core::to_string(sites.error());
    ASSERT_EQ(sites->size(), 1U);
    const auto& alps = sites->front();
    EXPECT_EQ(alps.name, "alps");
    EXPECT_EQ(alps.book.jobs, "/scratch/jobs");
    EXPECT_EQ(alps.agent, k_defaults.agent);
    EXPECT_EQ(alps.partition, "normal");
    EXPECT_EQ(alps.period, 5s);
    EXPECT_EQ(alps.commands.at("SLURM_CONF"), "/etc/slurm.conf");
    EXPECT_TRUE(read_backends("", "backends.toml", k_defaults)->empty());
}

TEST(Backends, WhatIsWrongIsNamedWithItsPlace) {
    const std::vector<std::pair<std::string, std::string>> bad = {
        {"[backend.alps]\ntype = 'slurm'", "absolute path"},
        {"[backend.alps]\ntype = 'slurm'\njobs = 'jobs'", "backends.toml:3"},
        {"[backend.alps]\ntype = 'pbs'\njobs = '/j'", "backends.toml:2"},
        {"[backend.local]\ntype = 'slurm'\njobs = '/j'", "this machine"},
        {"[backend.alps]\ntype = 'slurm'\njobs = '/j'\npartitoin = 'p'",
         "did you mean 'partition'"},
        {"[backend.alps]\ntype = 'slurm'\njobs = '/j'\nperiod = '10ms'", "at least 1s"},
        {"[backends.alps]\n", "did you mean 'backend'"},
        {"[backend]\nalps = 'slurm'", "must be a table"},
        {"[backend.'Not a name']\ntype = 'slurm'", "back end"},
    };
    for (const auto& [text, named] : bad) {
        const auto refused = read_backends(text, "backends.toml", k_defaults);
        ASSERT_FALSE(refused) << text;
        EXPECT_THAT(core::to_string(refused.error()), HasSubstr(named)) << text;
    }
}

}  // namespace
}  // namespace sust::cluster
