#include "cluster/slurm/text.h"

#include <gmock/gmock.h>

namespace sust::cluster::slurm {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

TEST(SlurmText, OnlyJobsWithOurMarkAreOurs) {
    const auto rows = parse_queue(
        "7|RUNNING|alice|n[1-2]|None|sust:job-01/2\n"
        "8|PENDING|bob||Resources|(null)\n"
        "9|PENDING|bob||Priority|sust:job-02/x\n"
        "10|PENDING|bob||Priority|sust:../2\n"
        "11|PENDING|bob||(Reserved, Nodes|sust:job-03/1\n"
        "not a line\n"
        "12|PENDING");
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].id, "7");
    EXPECT_EQ(rows[0].token.value, "job-01");
    EXPECT_EQ(rows[0].epoch, 2);
    EXPECT_EQ(rows[0].user, "alice");
    EXPECT_THAT(rows[0].nodes, ElementsAre("n1", "n2"));
    EXPECT_EQ(rows[0].reason, "");
    EXPECT_EQ(rows[1].token.value, "job-03");
    EXPECT_EQ(comment_of({"job-01"}, 2), "sust:job-01/2");
}

TEST(SlurmText, PartitionsAreWhatTheirLargestNodesHave) {
    const auto partitions = parse_partitions(
        "batch*|up|1:00:00|4|4|8000|gpu:2\nbatch*|up|1:00:00|2|8|16000|(null)\n"
        "debug|down|infinite|1|4|8000|gpu:gh200:4(S:0-1)\nbad|up|soon|1|1|1|x\n");
    ASSERT_EQ(partitions.size(), 2U);
    EXPECT_TRUE(partitions[0].is_default);
    EXPECT_EQ(partitions[0].nodes, 6);
    EXPECT_EQ(partitions[0].cores, 8);
    EXPECT_EQ(partitions[0].memory_bytes, 16000ULL << 20);
    EXPECT_EQ(partitions[0].gpus.count, 2);
    EXPECT_EQ(partitions[0].longest, 1h);
    EXPECT_FALSE(partitions[1].up);
    EXPECT_EQ(partitions[1].longest, std::nullopt);
    EXPECT_EQ(partitions[1].gpus, (Gpus{.count = 4, .type = "gh200"}));
}

TEST(SlurmText, NodesAreToldOnceWithTheirPartitionsAndWhoHoldsThem) {
    const auto nodes = parse_nodes(
        "n1|idle|4|8000|gpu:2|batch|none\nn1|idle|4|8000|gpu:2|debug|none\n"
        "n2|drained|4|8000|(null)|batch|sust: fan is loud\n"
        "n3|draining*|4|8000|(null)|batch|Prolog error\n"
        "n4|mixed-|4|8000|(null)|batch|none\nn5|what|4|8000|(null)|batch|none\n",
        "sust: ");
    ASSERT_EQ(nodes.size(), 5U);
    EXPECT_THAT(nodes[0].partitions, ElementsAre("batch", "debug"));
    EXPECT_EQ(nodes[0].state, NodeState::idle);
    EXPECT_TRUE(nodes[1].held);
    EXPECT_EQ(nodes[1].hold_reason, "fan is loud");
    EXPECT_EQ(nodes[1].state, NodeState::drained);
    EXPECT_FALSE(nodes[2].held);
    EXPECT_EQ(nodes[2].reason, "Prolog error");
    EXPECT_EQ(nodes[2].state, NodeState::down) << "it does not answer";
    EXPECT_EQ(nodes[3].state, NodeState::busy);
    EXPECT_EQ(nodes[4].state, NodeState::unknown);
}

TEST(SlurmText, WhatAccountingKnowsIsReadInBothItsForms) {
    const auto rows = parse_past(
        "7|job-01|alice|CANCELLED by 0\n8|job-02|bob(1001)|COMPLETED\n"
        "8.batch|batch|bob|x\nSlurm accounting storage is disabled\n9|short\n");
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].name, "job-01");
    EXPECT_EQ(end_of(rows[0].state), End::cancelled);
    EXPECT_EQ(rows[1].user, "bob");
    EXPECT_EQ(rows[1].id, "8");
    EXPECT_EQ(rows[2].name, "batch") << "a step is nobody's job";
}

TEST(SlurmText, WhatWaitsForEverIsToldFromWhatWaits) {
    for (const auto* never : {"PartitionTimeLimit", "BadConstraints", "QOSMaxCpuPerJobLimit",
                              "AssocMaxWallDurationPerJobLimit", "PartitionConfig"}) {
        EXPECT_TRUE(is_hopeless(never)) << never;
    }
    for (const auto* passes : {"", "Resources", "Priority", "AssocGrpCpuLimit", "JobHeldAdmin",
                               "QOSMaxJobsPerUserLimit", "ReqNodeNotAvail", "Reservation"}) {
        EXPECT_FALSE(is_hopeless(passes)) << passes;
    }
}

TEST(SlurmText, TimesAreReadInAllTheirForms) {
    EXPECT_EQ(parse_time("1-02:30:00").value(), 26h + 30min);
    EXPECT_EQ(parse_time("30:00").value(), 30min);
    EXPECT_EQ(parse_time("90").value(), 90min);
    EXPECT_EQ(parse_time("infinite").value(), std::nullopt);
    for (const auto* bad : {"", "soon", "1-", "-5", "1:2:3:4", "99999999999999999999:00"}) {
        EXPECT_FALSE(parse_time(bad)) << bad;
    }
}

TEST(SlurmText, AnEstimateHasItsTimeAndPlace) {
    const auto outlook = parse_test_only(
        "sbatch: Job 3 to start at 2026-11-25T10:00:00 using 1 processors on nodes n1 in "
        "partition batch\n");
    ASSERT_TRUE(outlook);
    EXPECT_EQ(core::rfc3339(*outlook->start), "2026-11-25T10:00:00.000Z");
    EXPECT_EQ(outlook->where, "n1 in partition batch");
    EXPECT_FALSE(parse_test_only("allocation failure: Requested node configuration"));
}

TEST(SlurmText, EveryFinalStateIsAnEnd) {
    EXPECT_EQ(end_of("CANCELLED by 1000"), End::cancelled);
    EXPECT_EQ(end_of("NODE_FAIL"), End::node_lost);
    EXPECT_EQ(end_of("OUT_OF_MEMORY"), End::out_of_memory);
    for (const auto* live : {"PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "", "WHAT"}) {
        EXPECT_EQ(end_of(live), std::nullopt) << live;
    }
}

}  // namespace
}  // namespace sust::cluster::slurm
