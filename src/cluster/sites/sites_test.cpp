#include "cluster/sites/sites.h"

#include <gmock/gmock.h>

#include "cluster/slurm/site.h"

namespace sust::cluster {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const SiteDefaults k_defaults{.agent = "/opt/sust/bin/sust-agent", .base = {{"HOME", "/home/a"}}};

TEST(Sites, ASlurmSiteNeedsItsJobsAndHasDefaultsForTheRest) {
    const auto table = core::TomlTable::parse(
        "type = 'slurm'\njobs = '/scratch/jobs'\npartition = 'normal'\nperiod = '5s'\n"
        "[env]\nSLURM_CONF = '/etc/slurm.conf'\n",
        "backends.toml");
    const auto options = slurm::read_options("alps", *table, k_defaults);
    ASSERT_TRUE(options) << core::to_string(options.error());
    const auto& alps = *options;
    EXPECT_EQ(alps.name, "alps");
    EXPECT_EQ(alps.book.jobs, "/scratch/jobs");
    EXPECT_EQ(alps.agent, k_defaults.agent);
    EXPECT_EQ(alps.partition, "normal");
    EXPECT_EQ(alps.period, 5s);
    EXPECT_EQ(alps.commands.at("SLURM_CONF"), "/etc/slurm.conf");
    EXPECT_TRUE(read_sites("", "backends.toml", k_defaults)->empty());
}

TEST(Sites, WhatIsWrongIsNamedWithItsPlace) {
    const std::vector<std::pair<std::string, std::string>> bad = {
        {"[backend.alps]\ntype = 'slurm'", "absolute path"},
        {"[backend.alps]\ntype = 'slurm'\njobs = 'jobs'", "backends.toml:3"},
        {"[backend.alps]\ntype = 'pbs'\njobs = '/j'", "backends.toml:2"},
        {"[backend.plan]\ntype = 'simulated'\njobs = '/j'", "'socket' is to be an absolute path"},
        {"[backend.plan]\ntype = 'simulated'\njobs = '/j'\nsocket = '/s'\nperiod = '10ms'",
         "at least 100ms"},
        {"[backend.local]\ntype = 'slurm'\njobs = '/j'", "this machine"},
        {"[backend.alps]\ntype = 'slurm'\njobs = '/j'\npartitoin = 'p'",
         "did you mean 'partition'"},
        {"[backend.alps]\ntype = 'slurm'\njobs = '/j'\nperiod = '10ms'", "at least 1s"},
        {"[backend.alps]\ntype = 'slurm'\njobs = '/j'\nenv = {SLURM_JWT = 'x'}",
         "seen by every job"},
        {"[backend.alps]\ntype = 'slurm'\njobs = '/j'\nrest = 'slurm'", "no address"},
        {"[backend.alps]\ntype = 'slurm'\njobs = '/j'\nrest = 'http://10.0.0.1:6820'",
         "no address"},
        {"[backend.alps]\ntype = 'slurm'\njobs = '/j'\ntoken_file = '/t'", "of slurmrestd"},
        {"[backend.alps]\ntype = 'slurm'\njobs = '/j'\nsubmissions = 0", "1 to 16"},
        {"[backends.alps]\n", "did you mean 'backend'"},
        {"[backend]\nalps = 'slurm'", "must be a table"},
        {"[backend.'Not a name']\ntype = 'slurm'", "back end"},
    };
    for (const auto& [text, named] : bad) {
        const auto refused = read_sites(text, "backends.toml", k_defaults);
        ASSERT_FALSE(refused) << text;
        EXPECT_THAT(core::to_string(refused.error()), HasSubstr(named)) << text;
    }
}

}  // namespace
}  // namespace sust::cluster
