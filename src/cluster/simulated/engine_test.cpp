#include "cluster/simulated/engine.h"

#include "cluster/simulated/test_site.h"

namespace sust::cluster::simulated {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- The queue -------------------------------------------------------------------------------

TEST(Engine, APlayedJobStartsRunsAndEndsAsItsModelSays) {
    TestSite site(four());
    const auto good = site.submit("good", 1, 10s);
    const auto bad = site.submit("bad", 1, 10s, 20s, {.exit_status = 7});
    const auto slow = site.submit("slow", 1, 60s, 30s);
    site.run(5s);
    EXPECT_EQ(site.phase(good), Phase::running);
    site.run(1min);
    EXPECT_EQ(site.end(good), End::completed);
    EXPECT_EQ(site.job(good).ended, 10s);
    EXPECT_EQ(site.end(bad), End::failed);
    EXPECT_EQ(site.job(bad).exit_status, 7);
    EXPECT_EQ(site.end(slow), End::time_limit);
    EXPECT_EQ(site.job(slow).ended, 30s);
}

TEST(Engine, AGangHasAllItsNodesOrNone) {
    TestSite site(four());
    site.submit("one", 1, 1min);
    const auto gang = site.submit("gang", 4, 1min);
    site.run(59s);
    EXPECT_EQ(site.phase(gang), Phase::waiting);
    EXPECT_THAT(site.job(gang).nodes, IsEmpty());
    site.run(61s);
    EXPECT_THAT(site.job(gang).nodes, ElementsAre(0, 1, 2, 3));
}

TEST(Engine, AShortJobFillsTheGapBeforeAGangAndALongOneWouldDelayIt) {
    TestSite site(four());
    site.submit("one", 1, 100s);
    const auto gang = site.submit("gang", 4, 1min);
    const auto lengthy = site.submit("lengthy", 1, 200s);
    const auto brief = site.submit("brief", 1, 50s);
    site.run(10s);
    EXPECT_EQ(site.phase(brief), Phase::running);
    EXPECT_EQ(site.phase(lengthy), Phase::waiting);
    site.run(100s);
    EXPECT_EQ(site.phase(gang), Phase::running) << "at the moment that was promised";
    EXPECT_EQ(site.job(gang).allocated, 100s);
}

TEST(Engine, ABackfillAtEveryChangeEnds) {
    auto text = four();
    text.replace(text.find("'1s'"), 4, "'0s'");
    TestSite site(text);
    site.submit("one", 1, 100s);
    site.submit("gang", 4, 1min);
    const auto brief = site.submit("brief", 1, 50s);
    site.run(1s);
    EXPECT_EQ(site.phase(brief), Phase::running);
}

TEST(Engine, WhatTheGangDoesNotNeedIsFreeForLongJobs) {
    TestSite site(four());
    site.submit("one", 2, 100s);
    const auto gang = site.submit("gang", 3, 1min);
    const auto lengthy = site.submit("lengthy", 1, 1000s);
    site.run(10s);
    EXPECT_EQ(site.phase(lengthy), Phase::running) << "the gang needs three of four";
    site.run(100s);
    EXPECT_EQ(site.phase(gang), Phase::running);
}

TEST(Engine, PriorityComesBeforeOrder) {
    TestSite site(four("[account.rich]\npriority = 100\n"));
    site.submit("full", 4, 10s);
    const auto first = site.submit("first", 4, 10s);
    const auto urgent = site.submit("urgent", 4, 10s, 0ms, {.priority = 50});
    const auto rich = site.submit("rich", 4, 10s, 0ms, {.account = "rich"});
    site.run(35s);
    EXPECT_EQ(site.job(rich).allocated, 10s);
    EXPECT_EQ(site.job(urgent).allocated, 20s);
    EXPECT_EQ(site.job(first).allocated, 30s);
}

TEST(Engine, CoresMemoryAndGpusAreSharedOutWithinANode) {
    TestSite site(four());
    std::vector<Uid> jobs;
    for (int i = 0; i < 9; ++i) {
        Ask ask{.cores = 2, .gpus = {.count = 2}};
        jobs.push_back(site.submit("g" + std::to_string(i), 1, 10s, 0ms, ask));
    }
    site.run(1s);
    for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(site.job(jobs[static_cast<std::size_t>(i)]).gpus.front(),
                  i % 2 == 0 ? 0b0011U : 0b1100U);
    }
    EXPECT_EQ(site.phase(jobs[8]), Phase::waiting) << "eight pairs of GPUs";
    const Ask hungry{.cores = 2, .memory = std::int64_t{60} << 30};
    const auto one = site.submit("one", 1, 10s, 0ms, hungry);
    const auto four = site.submit("four", 4, 10s, 0ms, hungry);
    site.run(2s);
    EXPECT_EQ(site.phase(one), Phase::running);
    EXPECT_EQ(site.phase(four), Phase::waiting) << "one of four has not the memory";
}

TEST(Engine, NodesToKeepOffAreKeptOff) {
    TestSite site(four());
    const auto job = site.submit("shy", 2, 10s, 0ms, {.excluded = {0, 2}});
    EXPECT_THAT(site.job(job).nodes, ElementsAre(1, 3));
}

TEST(Engine, PartitionsThatShareNoNodesDoNotWaitForEachOther) {
    TestSite site(
        four("[nodes.m]\nnames = 'm[1-2]'\ncores = 8\n[partition.a]\nnodes = ['n']\n"
             "[partition.b]\nnodes = ['m']\n[partition.c]\n"));
    // Groups come in the order of their names.
    const auto a = site.engine.model().queue_named("a");
    const auto b = site.engine.model().queue_named("b");
    site.submit("full", 4, 100s, 0ms, {.queue = a});
    const auto waits = site.submit("waits", 4, 100s, 0ms, {.queue = a});
    const auto other = site.submit("other", 2, 10s, 0ms, {.queue = b});
    EXPECT_EQ(site.phase(waits), Phase::waiting);
    EXPECT_EQ(site.phase(other), Phase::starting);
    EXPECT_THAT(site.job(other).nodes, ElementsAre(0, 1)) << "m comes before n";
}

TEST(Engine, AQueueOfItsOwnMakesJobsWaitAndNodesStartLate) {
    TestSite site(four("[partition.all]\nwait = '30s'\nstart = '5s'\n"));
    const auto job = site.submit("job", 1, 10s);
    site.run(29s);
    EXPECT_EQ(site.job(job).why, Why::wait);
    site.run(34s);
    EXPECT_EQ(site.phase(job), Phase::starting);
    site.run(1min);
    EXPECT_EQ(site.job(job).begun, 35s);
}

TEST(Engine, APartitionWithPreferenceTakesTheNodesOfTheYoungest) {
    TestSite site(
        four("[partition.low]\npreemptible = true\ndefault = true\n"
             "[partition.high]\npriority = 10\n"));
    const auto low = site.engine.model().queue_named("low");
    const auto high = site.engine.model().queue_named("high");
    const auto older = site.submit("older", 2, 1h, 0ms, {.queue = low});
    site.run(1s);
    const auto younger = site.submit("younger", 2, 1h, 0ms, {.queue = low});
    site.run(2s);
    const auto urgent = site.submit("urgent", 2, 1min, 0ms, {.queue = high});
    site.run(3s);
    EXPECT_EQ(site.end(younger), End::preempted);
    EXPECT_EQ(site.phase(urgent), Phase::running);
    EXPECT_EQ(site.phase(older), Phase::running);
}

TEST(Engine, ACommandThatIsPreemptedIsAskedFirstAndKilledLater) {
    TestSite site(
        four("[partition.low]\npreemptible = true\ndefault = true\n"
             "[partition.high]\npriority = 1\n"));
    const auto low = site.engine.model().queue_named("low");
    const auto high = site.engine.model().queue_named("high");
    const auto job = site.submit("job", 4, 1h, 1h, {.queue = low, .is_command = true});
    site.run(1s);
    EXPECT_THAT(site.orders(), ElementsAre("begin job"));
    const auto urgent = site.submit("urgent", 1, 1min, 0ms, {.queue = high});
    site.run(2s);
    EXPECT_THAT(site.orders(), ElementsAre("stop job"));
    EXPECT_EQ(site.phase(urgent), Phase::waiting);
    site.run(40s);
    EXPECT_THAT(site.orders(), ElementsAre("kill job"));
    site.engine.finish(job, 137, true);
    EXPECT_EQ(site.end(job), End::preempted);
    EXPECT_EQ(site.phase(urgent), Phase::starting);
}

// --- Commands --------------------------------------------------------------------------------

TEST(Engine, ACommandEndsWhenTheWorldSaysSo) {
    TestSite site(four());
    const auto good = site.command("good");
    const auto bad = site.command("bad");
    const auto odd = site.command("odd");
    site.run(1s);
    EXPECT_THAT(site.orders(), ElementsAre("begin good", "begin bad", "begin odd"));
    site.engine.finish(good, 0, true);
    site.engine.finish(bad, 3, true);
    site.engine.finish(odd, 125, false);
    EXPECT_EQ(site.end(good), End::completed);
    EXPECT_EQ(site.end(bad), End::failed);
    EXPECT_EQ(site.job(bad).exit_status, 3);
    EXPECT_EQ(site.end(odd), End::start_failed);
    EXPECT_EQ(site.engine.running(), 0U);
    site.run(10min);
    EXPECT_EQ(site.engine.find(good), nullptr) << "listed for a while only";
}

TEST(Engine, ATimeLimitStopsACommandAndThenKillsIt) {
    TestSite site(four());
    const auto job = site.command("job", 10s);
    site.run(39s);
    EXPECT_THAT(site.orders(), ElementsAre("begin job", "stop job"));
    site.run(40s);
    EXPECT_THAT(site.orders(), ElementsAre("kill job"));
    site.engine.finish(job, 137, true);
    EXPECT_EQ(site.end(job), End::time_limit);
}

TEST(Engine, ACancellationIsHeardInEveryPhase) {
    TestSite site(four("[partition.all]\nstart = '5s'\n"));
    const auto running = site.command("running");
    site.run(10s);
    const auto starting = site.command("starting");
    const auto full = site.submit("full", 2, 1h);
    const auto waiting = site.submit("waiting", 4, 1h);
    (void)site.orders();
    for (const auto uid : {running, starting, full, waiting}) {
        site.engine.cancel(site.job(uid).number);
        site.engine.cancel(site.job(uid).number);
    }
    site.engine.cancel(4711);
    EXPECT_THAT(site.orders(),
                ElementsAre("stop running", "over starting", "over full", "over waiting"));
    EXPECT_EQ(site.end(waiting), End::cancelled);
    EXPECT_EQ(site.phase(running), Phase::stopping);
    site.engine.finish(running, 143, true);
    EXPECT_EQ(site.end(running), End::cancelled);
    EXPECT_EQ(site.engine.counts().waiting, 0U);
}

// --- Mishaps ---------------------------------------------------------------------------------

TEST(Engine, ALostNodeEndsItsJobsOnAllTheirNodesAndComesBack) {
    TestSite site(four("[[script]]\nat = '10s'\ndo = 'lose_nodes'\nnodes = 'n2'\nfor = '1m'\n"));
    const auto gang = site.submit("gang", 3, 1h, 1h, {.is_command = true});
    const auto next = site.submit("next", 4, 1h);
    site.run(9s);
    (void)site.orders();
    site.run(10s);
    EXPECT_EQ(site.end(gang), End::node_lost);
    EXPECT_THAT(site.orders(), ElementsAre("kill gang", "over gang"));
    EXPECT_EQ(site.engine.nodes()[1].state, NodeState::down);
    EXPECT_EQ(site.phase(next), Phase::waiting);
    site.run(70s);
    EXPECT_EQ(site.engine.nodes()[1].state, NodeState::busy);
    EXPECT_EQ(site.phase(next), Phase::running);
}

TEST(Engine, ARestartForgetsTheLatestAndGivesTheirNumbersAway) {
    TestSite site(four("[[script]]\nat = '1m'\ndo = 'restart'\nlost = '30s'\n"));
    const auto kept = site.command("kept");
    site.run(40s);
    const auto runs = site.command("runs");
    const auto waits = site.submit("waits", 4, 1h);
    const auto number = site.job(runs).number;
    site.run(61s);
    EXPECT_EQ(site.engine.listed().size(), 1U);
    EXPECT_EQ(site.engine.listed().front()->uid, kept);
    EXPECT_EQ(site.engine.find(waits), nullptr) << "it never runs";
    EXPECT_EQ(site.phase(runs), Phase::running) << "and nobody knows";
    const auto stranger = site.command("stranger");
    EXPECT_EQ(site.job(stranger).number, number);
    site.engine.cancel(number);
    EXPECT_EQ(site.phase(runs), Phase::running) << "the number is the stranger's";
    site.engine.finish(runs, 0, true);
    site.engine.finish(stranger, 0, true);
    site.run(20min);
    EXPECT_EQ(site.engine.listed().size(), 1U);
    EXPECT_EQ(site.engine.listed().front()->uid, kept);
}

TEST(Engine, AForgottenJobIsNotListedAndRunsOnOrNeverRuns) {
    TestSite site(
        four("[[script]]\nat = '10s'\ndo = 'forget'\njob = 'one'\n"
             "[[script]]\nat = '10s'\ndo = 'forget'\njob = 'two'\n"));
    const auto one = site.command("one");
    const auto two = site.submit("two", 4, 1h);
    site.run(11s);
    EXPECT_THAT(site.engine.listed(), IsEmpty());
    EXPECT_EQ(site.phase(one), Phase::running);
    EXPECT_EQ(site.engine.find(two), nullptr);
}

TEST(Engine, NothingIsStartedWhileTheControllerIsAwayAndWhatRunsGoesOn) {
    TestSite site(four("[[script]]\nat = '10s'\ndo = 'outage'\nfor = '1m'\nhow = 'hangs'\n"));
    const auto full = site.submit("full", 4, 30s);
    const auto next = site.submit("next", 4, 30s);
    site.run(40s);
    EXPECT_EQ(site.engine.away(), Mishap::How::hangs);
    EXPECT_EQ(site.end(full), End::completed);
    EXPECT_EQ(site.phase(next), Phase::waiting);
    site.run(70s);
    EXPECT_EQ(site.engine.away(), std::nullopt);
    EXPECT_EQ(site.job(next).allocated, 70s);
}

TEST(Engine, ASlowPhaseDelaysWhatStartsInIt) {
    TestSite site(four("[[script]]\nat = '10s'\ndo = 'slow_start'\nfor = '1m'\nby = '20s'\n"));
    site.run(10s);
    const auto job = site.submit("job", 1, 5s);
    site.run(2min);
    EXPECT_EQ(site.job(job).begun, 30s);
    const auto later = site.submit("later", 1, 5s);
    site.run(3min);
    EXPECT_EQ(site.job(later).begun, 2min);
}

TEST(Engine, NoJobRunsIntoAMaintenanceAndAllWaitForItsEnd) {
    TestSite site(
        four("[[maintenance]]\nnodes = 'n[1-3]'\nat = '1h'\nfor = '30m'\nevery = '10h'\n"));
    const auto brief = site.submit("brief", 3, 59min);
    const auto lengthy = site.submit("lengthy", 3, 2h);
    const auto beside = site.submit("beside", 1, 5h);
    site.run(1s);
    EXPECT_EQ(site.phase(brief), Phase::running);
    EXPECT_EQ(site.phase(lengthy), Phase::waiting);
    site.run(59min);
    EXPECT_THAT(site.job(beside).nodes, ElementsAre(3));
    site.run(80min);
    EXPECT_EQ(site.phase(lengthy), Phase::waiting);
    EXPECT_EQ(site.engine.nodes()[0].state, NodeState::drained);
    EXPECT_EQ(site.engine.nodes()[0].reason, "maintenance");
    site.run(90min);
    EXPECT_EQ(site.job(lengthy).allocated, 90min);
    const auto over = site.submit("over", 3, 9h);
    site.run(12h);
    EXPECT_EQ(site.phase(over), Phase::running) << "after the second window";
    EXPECT_EQ(site.job(over).allocated, 11h + 30min);
}

TEST(Engine, HeldAndDrainedNodesTakeNothingAndLetGoOn) {
    TestSite site(
        four("[[drained]]\nnodes = 'n4'\nreason = 'cable'\n"
             "[[script]]\nat = '1m'\ndo = 'resume'\nnodes = 'n4'\n"));
    const auto runs = site.command("runs");
    site.engine.hold(0, "fan");
    site.engine.hold(1, "fan");
    const auto wide = site.submit("wide", 2, 10s);
    site.run(30s);
    EXPECT_EQ(site.phase(wide), Phase::waiting);
    EXPECT_EQ(site.phase(runs), Phase::running);
    const auto nodes = site.engine.nodes();
    EXPECT_EQ(nodes[0].state, NodeState::draining);
    EXPECT_TRUE(nodes[0].held);
    EXPECT_EQ(nodes[1].state, NodeState::drained);
    EXPECT_EQ(nodes[3].reason, "cable");
    EXPECT_FALSE(nodes[3].held);
    site.run(1min);
    EXPECT_THAT(site.job(wide).nodes, ElementsAre(2, 3));
    site.engine.release(0);
    EXPECT_FALSE(site.engine.nodes()[0].held);
}

TEST(Engine, RatesMakeNodesJobsAndTheControllerFailByThemselves) {
    TestSite site(
        "clock = 'manual'\nseed = 3\n[nodes.n]\nnames = 'n'\ncount = 100\ncores = 8\n"
        "[partition.p]\npreemptible = true\n"
        "[failures]\nnode_lost_every = '100h'\nnode_lost_for = '1h'\noutage_every = '20h'\n"
        "preempt_every = '5h'\nstart_failed = 0.05\n"
        "[[load]]\nevery = '1m'\nduration = { mean = '30m' }\nlimit = '5h'\nfailed = 0.1\n"
        "most_nodes = 4\n");
    site.run(200h);
    const auto& ended = site.engine.summary().ended;
    for (const auto end :
         {End::completed, End::failed, End::preempted, End::node_lost, End::start_failed}) {
        EXPECT_GT(ended[static_cast<std::size_t>(end)], 10U) << to_string(end);
    }
    // 100 nodes, each lost once in 100 h: about 200 times; a tenth of 12,000 jobs fails.
    int lost = 0, outages = 0;
    for (const auto& entry : site.engine.log().entries) {
        lost += entry.what == Entry::What::node_lost ? 1 : 0;
        outages += entry.what == Entry::What::outage ? 1 : 0;
    }
    EXPECT_GT(lost, 150);
    EXPECT_LT(lost, 260);
    EXPECT_GT(outages, 3);
    EXPECT_NEAR(static_cast<double>(ended[static_cast<std::size_t>(End::failed)]), 1200, 250);
    EXPECT_GT(site.engine.summary().core_ms_used, 0.3 * site.engine.summary().core_ms_there);
}

// --- Determinism, looking ahead, scale -------------------------------------------------------

constexpr std::string_view k_busy =
    "clock = 'manual'\nseed = 11\n[nodes.n]\nnames = 'n'\ncount = 200\ncores = 64\n"
    "[partition.p]\npreemptible = true\nstart = { mean = '5s' }\nwait = { mean = '10s' }\n"
    "[failures]\nnode_lost_every = '500h'\nforget = 0.01\noutage_every = '10h'\n"
    "[[load]]\nevery = '30s'\nduration = { mean = '1h' }\nlimit = '12h'\nmost_nodes = 16\n"
    "[[script]]\nat = '2h'\ndo = 'lose_nodes'\nnodes = 'n[001-020]'\nfor = '1h'\n";

TEST(Engine, TheSameSeedScriptAndCallsGiveTheSameEvents) {
    const auto play = [](const std::string& text, std::size_t slice) {
        TestSite site(text);
        for (int hour = 0; hour < 24; ++hour) {
            const auto uid = site.submit("job-" + std::to_string(hour), 3, 40min, 1h);
            while (!site.engine.advance(std::chrono::hours(hour), slice)) {
            }
            if (hour % 5 == 0 && site.engine.find(uid) != nullptr) {
                site.engine.cancel(site.job(uid).number);
            }
        }
        return std::move(site.engine);
    };
    const auto one = play(std::string(k_busy), 1'000'000);
    const auto other = play(std::string(k_busy), 7);
    EXPECT_GT(one.log().count, 4'000U);
    EXPECT_EQ(one.log().digest, other.log().digest) << "however time is cut";
    EXPECT_EQ(one.log().entries, other.log().entries);
    auto text = std::string(k_busy);
    text.replace(text.find("seed = 11"), 9, "seed = 12");
    EXPECT_NE(play(text, 1'000'000).log().digest, one.log().digest);
}

}  // namespace
}  // namespace sust::cluster::simulated
