#include "cluster/simulated/test_site.h"

namespace sust::cluster::simulated {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Outlook, TheOutlookIsWhatHappensWhenEveryJobRunsToItsLimit) {
    TestSite site(four("[[maintenance]]\nnodes = 'n[1-4]'\nat = '10h'\nfor = '1h'\n"));
    site.submit("full", 4, 1h);
    site.submit("next", 3, 2h);
    site.run(10min);
    const auto digest = site.engine.log().digest;
    const auto soon = site.engine.outlook({.cores = 8, .limit = 1h});
    EXPECT_EQ(soon.start, 1h) << "beside the second";
    EXPECT_THAT(soon.nodes, ElementsAre("n4"));
    EXPECT_EQ(site.engine.outlook({.nodes = 4, .cores = 8, .limit = 1h}).start, 3h);
    EXPECT_EQ(site.engine.outlook({.nodes = 4, .cores = 8, .limit = 9h}).start, 11h);
    site.engine.hold(2, "x");
    const auto never = site.engine.outlook({.nodes = 4, .cores = 8, .limit = 1h});
    EXPECT_EQ(never.start, std::nullopt);
    EXPECT_THAT(never.why, HasSubstr("held"));
    EXPECT_NE(site.engine.log().digest, digest) << "by the hold";
    EXPECT_EQ(site.engine.counts().waiting, 1U) << "and the probe left nothing behind";
}

TEST(Outlook, AnOutlookOfARoomySiteIsNow) {
    TestSite site(four());
    site.run(5s);
    EXPECT_EQ(site.engine.outlook({.cores = 8, .limit = 1h}).start, 5s);
}

}  // namespace
}  // namespace sust::cluster::simulated
