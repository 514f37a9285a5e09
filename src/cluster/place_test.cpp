#include "cluster/place.h"

#include <gtest/gtest.h>

namespace sust::cluster {
namespace {

TEST(Place, IsTheOnlyNodeWhereNobodySaysOtherwise) {
    const auto place = place_of({}, "here").value();
    EXPECT_EQ(place.node_rank, 0);
    EXPECT_EQ(place.nodes, 1);
    EXPECT_EQ(place.head_node, "here");
}

TEST(Place, IsWhatOursSayBeforeSlurm) {
    const auto place = place_of({{"SUST_NODE_RANK", "2"},
                                 {"SUST_NODES", "3"},
                                 {"SUST_HEAD_NODE", "pod-0.job"},
                                 {"SLURM_NODEID", "0"}},
                                "here")
                           .value();
    EXPECT_EQ(place.node_rank, 2);
    EXPECT_EQ(place.nodes, 3);
    EXPECT_EQ(place.head_node, "pod-0.job");
}

TEST(Place, IsThatOfTheStepBeforeThatOfTheJob) {
    const core::Environment job = {
        {"SLURM_NODEID", "1"}, {"SLURM_NNODES", "8"}, {"SLURM_JOB_NODELIST", "nid[003-010]"}};
    EXPECT_EQ(place_of(job, "here")->nodes, 8);
    EXPECT_EQ(place_of(job, "here")->head_node, "nid003");
    auto step = job;
    step["SLURM_STEP_NUM_NODES"] = "2";
    step["SLURM_STEP_NODELIST"] = "nid[005,009]";
    EXPECT_EQ(place_of(step, "here")->nodes, 2);
    EXPECT_EQ(place_of(step, "here")->head_node, "nid005");
}

TEST(Place, ThatCannotBeIsRefusedByItsName) {
    for (const auto* rank : {"2", "-1", "x", "0x1", "99999999999999999999"}) {
        const auto place = place_of({{"SLURM_NODEID", rank}, {"SLURM_NNODES", "2"}}, "here");
        ASSERT_FALSE(place) << rank;
        EXPECT_EQ(place.error().where, "SLURM_NODEID");
    }
    EXPECT_FALSE(place_of({{"SUST_NODES", "0"}}, "here"));
}

TEST(Place, OfATaskCountsOverAllNodes) {
    core::Environment environment;
    tell_place(environment, {.node_rank = 2, .nodes = 3, .head_node = "n1"}, 1, 4);
    EXPECT_EQ(environment, (core::Environment{{"SUST_RANK", "9"},
                                              {"SUST_WORLD_SIZE", "12"},
                                              {"SUST_LOCAL_RANK", "1"},
                                              {"SUST_LOCAL_SIZE", "4"},
                                              {"SUST_NODE_RANK", "2"},
                                              {"SUST_NODES", "3"},
                                              {"SUST_HEAD_NODE", "n1"}}));
}

TEST(FirstHost, IsTheFirstOfAListOfSlurm) {
    EXPECT_EQ(first_host("n1"), "n1");
    EXPECT_EQ(first_host("n1,n2"), "n1");
    EXPECT_EQ(first_host("nid[003-007,9],x1"), "nid003");
    EXPECT_EQ(first_host("rack[1-2]n[05,07].site"), "rack1n05.site");
    EXPECT_EQ(first_host("n[1"), "");
    EXPECT_EQ(first_host(std::string(10'000, 'n')), "");
}

}  // namespace
}  // namespace sust::cluster
