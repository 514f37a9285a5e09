#include "cluster/simulated/site_file.h"

#include <gmock/gmock.h>

namespace sust::cluster::simulated {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view k_nodes = "[nodes.n]\nnames = 'n[1-4]'\ncores = 8\n";

TEST(SiteFile, EverythingHasADefaultButTheNodes) {
    const auto model = read_model(k_nodes, "SITE.toml");
    ASSERT_TRUE(model) << core::to_string(model.error());
    EXPECT_EQ(model->pace, Pace::real);
    EXPECT_TRUE(model->runs_commands);
    EXPECT_THAT(model->nodes, ElementsAre("n1", "n2", "n3", "n4"));
    ASSERT_EQ(model->queues.size(), 1U);
    EXPECT_EQ(model->queue_named(""), 0);
    EXPECT_EQ(model->queue_named("all"), 0);
    EXPECT_EQ(model->queue_named("other"), -1);
    EXPECT_EQ(model->node_named("n3"), 2);
    EXPECT_EQ(model->node_named("n9"), -1);
}

TEST(SiteFile, AWholeSiteIsRead) {
    const auto model = read_model(
        "name = 'alps'\nseed = 7\nclock = 'scaled'\nfactor = 60\njobs = 'commands'\n"
        "keep_ended = '1h'\nkill_wait = '10s'\n[backfill]\ninterval = '10s'\ndepth = 50\n"
        "[played]\nduration = { least = '1m', mean = '5m' }\nfailed = 0.1\n"
        "[nodes.big]\nnames = 'nid'\ncount = 10000\ncores = 288\nmemory = '800GiB'\n"
        "[nodes.big.gpus]\ncount = 4\ntype = 'gh200'\n[nodes.a]\nnames = 'login[1-2]'\ncores = 4\n"
        "[account.x]\npriority = 5\n"
        "[partition.normal]\nnodes = ['big']\ndefault = true\nlongest = '24h'\naccounts = ['x']\n"
        "[partition.low]\nnodes = ['big']\npreemptible = true\nwait = '1s'\n"
        "[[load]]\npartition = 'low'\naccount = 'x'\nevery = '10s'\nleast_nodes = 2\nmost_nodes = "
        "9\n"
        "duration = '1h'\nlimit = '2h'\n"
        "[failures]\nnode_lost_every = '2000h'\nforget = 0.01\noutage_how = 'hangs'\n"
        "[[script]]\nat = '1h'\ndo = 'lose_nodes'\nnodes = 'nid[00003-00005]'\nfor = '1h'\n"
        "[[maintenance]]\nnodes = 'nid[00001-00100]'\nat = '6h'\nfor = '2h'\nevery = '168h'\n"
        "[[drained]]\nnodes = 'login2'\nreason = 'disk'\n",
        "SITE.toml");
    ASSERT_TRUE(model) << core::to_string(model.error());
    EXPECT_EQ(model->nodes.size(), 10'002U);
    EXPECT_EQ(model->group_of(model->node_named("nid00001")).gpus.count, 4);
    EXPECT_EQ(model->group_of(model->node_named("login2")).cores, 4);
    EXPECT_EQ(model->queues[model->queue_named("normal")].groups, 0b10U);
    EXPECT_EQ(model->duration, (Spread{1min, 5min, 50min}));
    EXPECT_EQ(model->script.front().nodes.size(), 3U);
    EXPECT_EQ(model->rates.outage_how, Mishap::How::hangs);
    EXPECT_EQ(model->maintenance.front().every, 168h);
    EXPECT_EQ(model->factor, 60);
}

TEST(SiteFile, WhatIsWrongIsNamedWithItsPlace) {
    const auto with = [](std::string_view more) {
        return std::string(k_nodes) + std::string(more);
    };
    const std::vector<std::pair<std::string, std::string>> bad = {
        {"", "a site has nodes"},
        {"sed = 1\n" + with(""), "did you mean 'seed'"},
        {"clock = 'fast'\n" + with(""), "one of: real, scaled, manual"},
        {"clock = 'scaled'\n" + with(""), "SITE.toml:1"},
        {"clock = 'scaled'\nfactor = 0\n" + with(""), "at most"},
        {"factor = 2\n" + with(""), "'factor' belongs to"},
        {"clock = 'manual'\njobs = 'commands'\n" + with(""), "real time"},
        {"[nodes.n]\nnames = 'n[3-1]'\n", "says no nodes"},
        {"[nodes.n]\nnames = 'n[1-999999]'\n", "says no nodes"},
        {"[nodes.n]\nnames = 'n'\ncount = 999999\n", "between 1 and 100000"},
        {"[nodes.n]\nnames = 'N1'\n", "node"},
        {with("[nodes.m]\nnames = 'n[4-5]'\n"), "two nodes are called 'n4'"},
        {with("[partition.p]\nnodes = ['m']\n"), "no [nodes.m]"},
        {with("[partition.p]\ndefault = true\n[partition.q]\ndefault = true\n"), "two partitions"},
        {with("[partition.p]\naccounts = ['x']\n"), "no [account.x]"},
        {with("[partition.p]\nwait = { least = '5m', mean = '1m' }\n"), "least <= mean"},
        {with("[partition.p]\nwait = '-1s'\n"), "is not a duration"},
        {with("[[load]]\n"), "'count' (at once) or 'every'"},
        {with("[[load]]\nevery = '1s'\npartition = 'q'\n"), "no partition 'q'"},
        {with("[[load]]\nevery = '1s'\nmost_nodes = 5\n"), "between 1 and 4"},
        {with("[[load]]\nevery = '1s'\nfailed = 2\n"), "share between 0 and 1"},
        {with("[[script]]\nat = '1s'\ndo = 'explode'\n"), "one of: lose_nodes"},
        {with("[[script]]\nat = '1s'\ndo = 'lose_nodes'\nnodes = 'm1'\n"), "no node 'm1'"},
        {with("[[script]]\nat = '1s'\ndo = 'lose_nodes'\nnodes = ''\n"), "nodes"},
        {with("[[script]]\nat = '1s'\ndo = 'outage'\nnodes = 'n1'\n"), "nodes"},
        {with("[[script]]\nat = '1s'\n"), "do"},
        {with("[[maintenance]]\nnodes = 'n1'\nfor = '2h'\nevery = '1h'\n"), "longer than"},
        {with("[[drained]]\nnodes = 'n1'\nreson = 'x'\n"), "did you mean 'reason'"},
    };
    for (const auto& [text, named] : bad) {
        const auto refused = read_model(text, "SITE.toml");
        ASSERT_FALSE(refused) << text;
        EXPECT_THAT(core::to_string(refused.error()), HasSubstr(named)) << text;
        EXPECT_THAT(core::to_string(refused.error()), HasSubstr("SITE.toml")) << text;
    }
}

}  // namespace
}  // namespace sust::cluster::simulated
