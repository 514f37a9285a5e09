#include "serve/router.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/limits.h"
#include "serve/test_support.h"

namespace sust::serve {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::UnorderedElementsAre;

class RouterTest : public testing::Test {
  protected:
    RouterTest() { clock.advance(1h); }

    void fleet(std::vector<Replica> replicas) { view = view_of(std::move(replicas), view.get()); }
    // Which replica was taken, or why none was. What was taken is held until released().
    std::string take(const std::vector<std::string>& tried = {}) {
        std::optional<Lease> lease;
        switch (router.take(*view->candidates("m"), tried, lease)) {
            case Choice::full:
                return "full";
            case Choice::none:
                return "none";
            case Choice::taken:
                break;
        }
        held.push_back(std::move(*lease));
        return held.back().candidate().replica->id;
    }
    std::string take_for_a_moment(const std::vector<std::string>& tried = {}) {
        auto id = take(tried);
        held.clear();
        return id;
    }
    const Candidate& candidate(std::size_t i) const { return view->candidates("m")->at(i); }
    int in_flight(std::string_view id) const { return view->load(id)->in_flight.load(); }

    core::ManualClock clock;
    int freed = 0;
    Router router{clock, [this] { ++freed; }};
    std::shared_ptr<const View> view;
    std::vector<Lease> held;
};

class Routers : public RouterTest {};
class Leases : public RouterTest {};

TEST_F(Routers, TakeTheReplicaWithTheFewestRequestsPerSlot) {
    fleet({ready("wide", 8), ready("narrow", 2)});
    candidate(0).load->in_flight = 3;
    candidate(1).load->in_flight = 1;
    EXPECT_EQ(take(), "wide") << "3 of 8 is less than 1 of 2";
    candidate(1).load->in_flight = 0;
    EXPECT_EQ(take(), "narrow");
}

TEST_F(Routers, TakeEqualOnesInTurn) {
    fleet({ready("a"), ready("b"), ready("c")});
    std::vector<std::string> taken;
    for (int i = 0; i < 9; ++i) {
        taken.push_back(take_for_a_moment());
    }
    for (std::size_t i = 2; i < taken.size(); ++i) {
        EXPECT_THAT((std::vector{taken[i - 2], taken[i - 1], taken[i]}),
                    UnorderedElementsAre("a", "b", "c"));
    }
}

TEST_F(Routers, FillEverySlotAndThenSayFull) {
    fleet({ready("a", 3), ready("b", 2)});
    for (int i = 0; i < 5; ++i) {
        EXPECT_THAT(take(), AnyOf("a", "b"));
    }
    EXPECT_EQ(take(), "full");
    EXPECT_EQ(in_flight("a"), 3);
    EXPECT_EQ(in_flight("b"), 2);
}

TEST_F(Routers, TakeOnlyThoseThatAreReady) {
    fleet({in_state(ReplicaState::starting, ready("a")),
           in_state(ReplicaState::draining, ready("b")),
           in_state(ReplicaState::unhealthy, ready("c")), ready("d")});
    EXPECT_EQ(take(), "d");
    EXPECT_EQ(take(), "full");
    fleet({in_state(ReplicaState::draining, ready("d"))});
    EXPECT_EQ(take(), "none");
}

TEST_F(Routers, NeverTakeOneThatWasTried) {
    fleet({ready("a", 9), ready("b")});
    EXPECT_EQ(take({"a"}), "b");
    EXPECT_EQ(take({"a"}), "full") << "b may become free, so it is worth waiting";
    EXPECT_EQ(take({"b", "a"}), "none");
    EXPECT_EQ(in_flight("a"), 0);
}

TEST_F(Routers, TakeAnEjectedOneOnlyIfThereIsNoOther) {
    fleet({ready("a", 9), ready("b", 2)});
    router.eject(candidate(0));
    EXPECT_EQ(take(), "b");
    EXPECT_EQ(take(), "b");
    EXPECT_EQ(take(), "full") << "a slot of b is better than a replica that just failed";
    EXPECT_EQ(take({"b"}), "a");
    router.eject(candidate(1));
    EXPECT_EQ(take(), "a");
}

TEST_F(Routers, TrustAnEjectedOneAgainAfterAWhile) {
    fleet({ready("a", 9), ready("b")});
    router.eject(candidate(0));
    EXPECT_EQ(take(), "b");
    clock.advance(k_ejection - 1ms);
    EXPECT_EQ(take(), "full");
    clock.advance(1ms);
    EXPECT_EQ(take(), "a");
}

TEST_F(Routers, HearOfAnEjectionByAnotherThreadsRouter) {
    fleet({ready("a", 9), ready("b", 9)});
    Router(clock, [] {}).eject(candidate(1));
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(take(), "a");
    }
}

TEST_F(Routers, NeverShowASlotAsTakenByOneWhoWasRefused) {
    fleet({ready("a")});
    ASSERT_EQ(take(), "a");
    std::atomic<bool> stop{false};
    std::thread other([&, candidates = *view->candidates("m")] {
        Router refused(clock, [] {});
        std::optional<Lease> lease;
        while (!stop.load()) {
            ASSERT_EQ(refused.take(candidates, {}, lease), Choice::full);
        }
    });
    int most = 0;
    for (int i = 0; i < 200'000; ++i) {
        most = std::max(most, in_flight("a"));
    }
    stop = true;
    other.join();
    EXPECT_EQ(most, 1);
}

TEST_F(Leases, FreeTheirSlotOnceAndRingOnce) {
    fleet({ready("a")});
    ASSERT_EQ(take(), "a");
    EXPECT_EQ(freed, 0);
    held.front().release();
    EXPECT_EQ(in_flight("a"), 0);
    EXPECT_EQ(freed, 1);
    held.front().release();
    held.clear();
    EXPECT_EQ(in_flight("a"), 0);
    EXPECT_EQ(freed, 1);
}

TEST_F(Leases, HaveFreedTheSlotBeforeTheyRing) {
    fleet({ready("a")});
    int seen = -1;
    Router other(clock, [&] { seen = in_flight("a"); });
    std::optional<Lease> lease;
    ASSERT_EQ(other.take(*view->candidates("m"), {}, lease), Choice::taken);
    lease.reset();
    EXPECT_EQ(seen, 0);
}

TEST_F(Leases, ThatWereMovedFromHoldNothing) {
    fleet({ready("a")});
    ASSERT_EQ(take(), "a");
    {
        Lease moved(std::move(held.front()));
        held.clear();
        EXPECT_EQ(in_flight("a"), 1);
        EXPECT_EQ(freed, 0);
    }
    EXPECT_EQ(in_flight("a"), 0);
    EXPECT_EQ(freed, 1);
}

TEST_F(Leases, ThatAreReplacedFreeTheirOwnSlotFirst) {
    fleet({ready("a"), ready("b")});
    ASSERT_EQ(take({"b"}), "a");
    ASSERT_EQ(take({"a"}), "b");
    held.front() = std::move(held.back());
    EXPECT_EQ(in_flight("a"), 0);
    EXPECT_EQ(in_flight("b"), 1);
    EXPECT_EQ(held.front().candidate().replica->id, "b");
    held.clear();
    EXPECT_EQ(in_flight("b"), 0);
    EXPECT_EQ(freed, 2);
}

TEST_F(Leases, OutliveTheViewThatTheyCameFrom) {
    fleet({ready("a")});
    ASSERT_EQ(take(), "a");
    fleet({ready("a", 2)});
    EXPECT_EQ(in_flight("a"), 1);
    held.clear();
    EXPECT_EQ(in_flight("a"), 0);
}

}  // namespace
}  // namespace sust::serve
