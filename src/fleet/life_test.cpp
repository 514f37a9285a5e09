#include "fleet/life.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "fleet/acknowledgements.h"
#include "fleet/roll.h"

namespace sust::fleet {
namespace {

using namespace std::chrono_literals;
using S = ReplicaState;
using E = ReplicaEvent;
using A = ReplicaAction;

// --- The table -------------------------------------------------------------------------------

TEST(Life, TheDocumentShowsTheTableThatTheProgramUses) {
    const auto document =
        core::read_file(core::Path(SUST_SOURCE_DIR) / "docs/formats/service.md", 1 << 20).value();
    EXPECT_NE(document.find(life_table()), std::string::npos)
        << "put this table into docs/formats/service.md:\n"
        << life_table();
}

TEST(Life, EveryPairOfStateAndEventHasAtMostOneRow) {
    std::set<std::pair<S, E>> seen;
    for (const auto& row : transitions()) {
        EXPECT_TRUE(seen.insert({row.state, row.event}).second) << to_string(row.state);
    }
}

TEST(Life, AReplicaThatMayHaveRequestsIsDrainedBeforeItIsStopped) {
    for (const auto state : {S::ready, S::unhealthy}) {
        EXPECT_EQ(find_transition(state, E::retire)->next, S::draining);
        EXPECT_EQ(find_transition(state, E::retire)->action, A::none);
    }
}

TEST(Life, AnEndedJobIsStartedAgainUnlessTheReplicaIsLeaving) {
    for (const auto state : {S::starting, S::ready, S::unhealthy, S::restarting}) {
        EXPECT_EQ(find_transition(state, E::ended)->next, S::backoff);
    }
    for (const auto state : {S::draining, S::stopping}) {
        EXPECT_EQ(find_transition(state, E::ended)->next, S::gone);
    }
}

TEST(Life, NoStateButReadyWaitsForever) {
    for (const auto& row : transitions()) {
        if (row.next != S::ready) {
            EXPECT_NE(find_transition(row.next, E::overdue), nullptr) << to_string(row.next);
        }
    }
}

TEST(Life, StatesAreReadAsTheyAreWritten) {
    for (const auto& row : transitions()) {
        EXPECT_EQ(parse_replica_state(to_string(row.state)).value(), row.state);
    }
    EXPECT_FALSE(parse_replica_state("asleep"));
}

// --- The roll --------------------------------------------------------------------------------

struct Roll {
    const char* what;
    RollView view;
    RollSteps steps;
};

RollReplica old_one(const char* id, S state = S::ready) {
    return {.id = id, .generation = 1, .state = state, .was_ready = true};
}
RollReplica new_one(const char* id, S state = S::ready) {
    return {.id = id, .generation = 2, .state = state, .was_ready = state == S::ready};
}

TEST(Roll, TakesTheNextStepAndNoMore) {
    for (const auto& [what, view, steps] : std::vector<Roll>{
             {"a fresh service starts all at once", {2, 2, false, {}}, {.start = 2}},
             {"nothing wanted, nothing there", {0, 2, false, {}}, {}},
             {"all is well", {2, 2, true, {new_one("a"), new_one("b")}}, {}},
             {"a surge of one", {2, 2, false, {old_one("a"), old_one("b")}}, {.start = 1}},
             {"waits for the surge",
              {2, 2, false, {old_one("a"), old_one("b"), new_one("c", S::starting)}},
              {}},
             {"then one old goes",
              {2, 2, true, {old_one("a"), old_one("b"), new_one("c")}},
              {.retire = {"a"}}},
             {"waits until it is gone",
              {2, 2, true, {old_one("a", S::draining), old_one("b"), new_one("c")}},
              {}},
             {"then the next one comes", {2, 2, true, {old_one("b"), new_one("c")}}, {.start = 1}},
             {"the last old goes",
              {2, 2, true, {old_one("b"), new_one("c"), new_one("d")}},
              {.retire = {"b"}}},
             {"an old one that is down does not hold up a generation that works",
              {2, 2, true, {old_one("a", S::backoff), old_one("b"), new_one("c")}},
              {.retire = {"a"}}},
             {"nor is it kept when it is one too many",
              {2, 2, false, {old_one("a", S::backoff), old_one("b"), new_one("c", S::starting)}},
              {.retire = {"a"}}},
             {"while it is needed it is kept",
              {2, 2, false, {old_one("a", S::backoff), new_one("c", S::starting)}},
              {}},
             {"one replica is replaced by starting the second first",
              {1, 2, false, {old_one("a")}},
              {.start = 1}},
             {"fewer: the youngest goes",
              {1, 2, true, {new_one("a"), new_one("b")}},
              {.retire = {"b"}}},
             {"fewer: the one that does not answer goes first",
              {1, 2, true, {new_one("a", S::unhealthy), new_one("b")}},
              {.retire = {"a"}}},
             {"nothing wanted: all go",
              {0, 2, false, {old_one("a"), old_one("b", S::backoff)}},
              {.retire = {"a", "b"}}},
             {"fewer in the middle of a roll: old ones go down to what is wanted",
              {1, 2, true, {old_one("a"), old_one("b"), old_one("c")}},
              {.retire = {"a", "b"}}},
         }) {
        const auto planned = plan_roll(view);
        EXPECT_EQ(planned.start, steps.start) << what;
        EXPECT_EQ(planned.retire, steps.retire) << what;
    }
}

// --- What gateways know ----------------------------------------------------------------------

TEST(Acknowledgements, OfEveryLiveGatewayAreNeeded) {
    core::ManualClock clock;
    Acknowledgements known(clock);
    clock.advance(1min);
    known.heard("a", 6);
    known.heard("b", 6);
    const auto published = clock.monotonic();
    EXPECT_FALSE(known.complete(7, published));
    known.heard("a", 7);
    EXPECT_FALSE(known.complete(7, published));
    known.heard("b", 8);
    EXPECT_TRUE(known.complete(7, published));
}

TEST(Acknowledgements, AGatewayThatWaitsSinceLongIsGivenTheTimeSinceTheChange) {
    core::ManualClock clock;
    Acknowledgements known(clock);
    known.heard("a", 6);
    clock.advance(5min);
    const auto published = clock.monotonic();
    EXPECT_FALSE(known.complete(7, published));
    clock.advance(10s);
    EXPECT_TRUE(known.complete(7, published)) << "ten seconds of silence: it is gone";
}

TEST(Acknowledgements, AfterAStartNobodyIsKnownYetSoTimeIsGiven) {
    core::ManualClock clock;
    Acknowledgements known(clock);
    EXPECT_FALSE(known.complete(1, clock.monotonic()));
    clock.advance(10s);
    EXPECT_TRUE(known.complete(1, clock.monotonic()));
}

TEST(Acknowledgements, AGatewayStartedAnewKnowsNothing) {
    core::ManualClock clock;
    Acknowledgements known(clock);
    clock.advance(1min);
    known.heard("a", 9);
    known.heard("a", 0);
    EXPECT_FALSE(known.complete(7, clock.monotonic()));
}

TEST(Acknowledgements, ManyNamesDoNotFillMemory) {
    core::ManualClock clock;
    Acknowledgements known(clock);
    for (int i = 0; i < 1000; ++i) {
        clock.advance(1ms);
        known.heard("gw-" + std::to_string(i), 1);
    }
    EXPECT_LE(known.view().size(), 256U);
    EXPECT_THAT(known.view().back().id, testing::StartsWith("gw-9"));
}

}  // namespace
}  // namespace sust::fleet
