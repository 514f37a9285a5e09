#include "serve/wait_room.h"

#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/limits.h"
#include "serve/test_support.h"

namespace sust::serve {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr core::Duration k_long = 10min;  // no test waits for it

// A request that waits; it is done when it has a lease, or knows that it gets none.
struct Guest {
    WaitRoom::Waiter waiter;
    std::vector<std::string> tried;
    bool done = false;
};

// A thread of a gateway, without the thread: its loop runs when the test says so.
struct Room {
    Room(const core::Clock& clock, Bell& bell, std::size_t number)
        : router(clock, [&bell] { bell.slot_freed(); }), waiting(io, router, bell, number) {
        bell.ring[number] = [this, &bell] {
            asio::post(io, [this, &bell] {
                ++rung;
                if (const auto left = waiting.serve(view)) {
                    bell.slot_freed(*left);
                }
            });
        };
    }

    asio::io_context io;
    Router router;
    WaitRoom waiting;
    std::shared_ptr<const View> view;
    int rung = 0;
};

class WaitRooms : public testing::Test {
  protected:
    WaitRooms() { fleet({ready("r")}); }
    ~WaitRooms() override {
        // Who still waits goes, so that no coroutine is left with a room that is gone.
        for (auto& guest : guests) {
            if (!guest->done && guest->waiter.timer) {
                rooms[0]->waiting.cancel(guest->waiter);
            }
            turn();
            guest->waiter.lease.reset();
        }
        turn();
    }

    void fleet(std::vector<Replica> replicas) {
        view = view_of(std::move(replicas), view.get());
        for (auto& room : rooms) {
            room->view = view;
            room->waiting.serve(view);
        }
    }
    // Runs both loops until there is nothing to do.
    void turn() {
        std::size_t did = 1;
        while (did > 0) {
            did = 0;
            for (auto& room : rooms) {
                room->io.restart();
                did += room->io.poll();
            }
        }
    }
    Guest& come(std::size_t room, const std::string& model = "m",
                std::vector<std::string> tried = {}, core::Duration within = k_long) {
        guests.push_back(std::make_unique<Guest>());
        auto& guest = *guests.back();
        guest.tried = std::move(tried);
        guest.waiter.model = model;
        guest.waiter.tried = &guest.tried;
        ++bell.waiting;
        asio::co_spawn(
            rooms[room]->io,
            [this, &guest, &at = *rooms[room], within]() -> Task<> {
                co_await at.waiting.wait(guest.waiter, at.view, within);
                --bell.waiting;
                guest.done = true;
            },
            asio::detached);
        turn();
        return guest;
    }
    // Who has a lease, by number in the order of coming.
    std::vector<std::size_t> served() const {
        std::vector<std::size_t> out;
        for (std::size_t i = 0; i < guests.size(); ++i) {
            if (guests[i]->done && guests[i]->waiter.lease) {
                out.push_back(i);
            }
        }
        return out;
    }
    // Takes a slot as a request does that finds one free.
    Lease occupy(const std::string& model = "m") {
        std::optional<Lease> lease;
        EXPECT_EQ(rooms[0]->router.take(*view->candidates(model), {}, lease), Choice::taken);
        return std::move(*lease);
    }

    core::ManualClock clock;
    Bell bell{2};
    std::vector<std::unique_ptr<Room>> rooms = [this] {
        std::vector<std::unique_ptr<Room>> made;
        made.push_back(std::make_unique<Room>(clock, bell, 0));
        made.push_back(std::make_unique<Room>(clock, bell, 1));
        return made;
    }();
    std::shared_ptr<const View> view;
    std::vector<std::unique_ptr<Guest>> guests;
};

class Bells : public testing::Test {
  protected:
    Bells() {
        for (std::size_t i = 0; i < 3; ++i) {
            bell.ring[i] = [this, i] { rung.push_back(i); };
        }
        bell.waiting = 3;
    }
    Bell bell{3};
    std::vector<std::size_t> rung;
};

// --- One room --------------------------------------------------------------------------------

TEST_F(WaitRooms, GiveALeaseAtOnceIfASlotIsFree) {
    auto& guest = come(0);
    EXPECT_TRUE(guest.done);
    EXPECT_EQ(guest.waiter.choice, Choice::taken);
    EXPECT_EQ(guest.waiter.view, view);
    EXPECT_TRUE(rooms[0]->waiting.empty());
}

TEST_F(WaitRooms, ServeInTheOrderInWhichTheyCame) {
    auto lease = occupy();
    for (int i = 0; i < 4; ++i) {
        come(0);
    }
    EXPECT_EQ(rooms[0]->waiting.size(), 4U);
    EXPECT_THAT(served(), IsEmpty());
    lease.release();
    turn();
    EXPECT_THAT(served(), ElementsAre(0)) << "one slot, one guest";
    guests[0]->waiter.lease.reset();
    turn();
    EXPECT_THAT(served(), ElementsAre(1));
    guests[1]->waiter.lease.reset();
    turn();
    EXPECT_THAT(served(), ElementsAre(2));
}

TEST_F(WaitRooms, GiveASlotToAYoungerOneIfTheOldestCannotUseIt) {
    fleet({ready("a", 1, {"m"}), ready("b", 1, {"n"})});
    const auto of_m = occupy("m");
    auto of_n = occupy("n");
    come(0, "m");
    come(0, "n");
    of_n.release();
    turn();
    EXPECT_THAT(served(), ElementsAre(1));
}

TEST_F(WaitRooms, SendAwayWhoWaitedLongEnough) {
    const auto lease = occupy();
    auto& hurried = come(0, "m", {}, 0ms);
    auto& patient = come(0);
    rooms[0]->io.restart();
    while (!hurried.done) {
        rooms[0]->io.run_one();
    }
    EXPECT_EQ(hurried.waiter.choice, Choice::full);
    EXPECT_FALSE(hurried.waiter.lease);
    EXPECT_FALSE(patient.done);
    EXPECT_EQ(rooms[0]->waiting.size(), 1U);
}

TEST_F(WaitRooms, LetGoWhoCancelsAndServeTheNext) {
    auto lease = occupy();
    auto& first = come(0);
    auto& second = come(0);
    rooms[0]->waiting.cancel(first.waiter);
    lease.release();
    turn();
    EXPECT_TRUE(first.done);
    EXPECT_TRUE(first.waiter.cancelled);
    EXPECT_FALSE(first.waiter.lease);
    EXPECT_TRUE(second.waiter.lease.has_value());
}

TEST_F(WaitRooms, NeverGiveAReplicaThatWasTried) {
    fleet({ready("a"), ready("b")});
    std::vector<Lease> leases;
    leases.push_back(occupy());
    leases.push_back(occupy());
    auto& guest = come(0, "m", {"a"});
    auto& a = leases[leases[0].candidate().replica->id == "a" ? 0 : 1];
    auto& b = leases[leases[0].candidate().replica->id == "a" ? 1 : 0];
    a.release();
    turn();
    EXPECT_FALSE(guest.done);
    b.release();
    turn();
    ASSERT_TRUE(guest.waiter.lease);
    EXPECT_EQ(guest.waiter.lease->candidate().replica->id, "b");
}

// --- A new view ------------------------------------------------------------------------------

TEST_F(WaitRooms, ServeFromReplicasThatANewViewBrings) {
    const auto lease = occupy();
    come(0);
    come(0);
    fleet({ready("r"), ready("new", 2)});
    turn();
    EXPECT_THAT(served(), ElementsAre(0, 1));
    EXPECT_EQ(guests[0]->waiter.lease->candidate().replica->id, "new");
    EXPECT_EQ(guests[0]->waiter.view, view) << "what the lease points to lives in the new view";
}

TEST_F(WaitRooms, TellThoseWhoseModelANewViewLacks) {
    auto lease = occupy();
    auto& gone = come(0);
    fleet({ready("r", 1, {"n"})});
    turn();
    EXPECT_TRUE(gone.done);
    EXPECT_EQ(gone.waiter.choice, Choice::none);
    EXPECT_FALSE(gone.waiter.lease);
}

TEST_F(WaitRooms, TellThoseWhoseReplicasANewViewDrains) {
    auto lease = occupy();
    auto& guest = come(0);
    fleet({in_state(ReplicaState::draining, ready("r"))});
    turn();
    EXPECT_TRUE(guest.done);
    EXPECT_EQ(guest.waiter.choice, Choice::none);
}

// --- Several rooms ---------------------------------------------------------------------------

TEST_F(WaitRooms, ServeWhoCameFirstOverAllRooms) {
    auto lease = occupy();
    come(1);
    come(0);
    come(1);
    for (std::size_t i = 0; i < 3; ++i) {
        lease.release();
        turn();
        EXPECT_THAT(served(), ElementsAre(i));
        lease = std::move(*guests[i]->waiter.lease);
        guests[i]->waiter.lease.reset();
    }
}

TEST_F(WaitRooms, PassASlotOnThatOnlyAnotherRoomCanUse) {
    fleet({ready("a", 1, {"m"}), ready("b", 1, {"n"})});
    const auto of_m = occupy("m");
    auto of_n = occupy("n");
    come(0, "m");
    come(1, "n");
    of_n.release();
    turn();
    EXPECT_THAT(served(), ElementsAre(1));
    EXPECT_EQ(rooms[0]->rung, 1);
    EXPECT_EQ(rooms[1]->rung, 1);
}

TEST_F(WaitRooms, UseEverySlotThatIsFreedBeforeARoomHadItsTurn) {
    fleet({ready("r", 2)});
    auto one = occupy();
    auto two = occupy();
    come(0);
    come(1);
    // Both bells ring where the first one waits; it needs one of the slots only.
    one.release();
    two.release();
    turn();
    EXPECT_THAT(served(), ElementsAre(0, 1));
    EXPECT_EQ(rooms[0]->rung, 2) << "not again for a guest that has its lease";
}

TEST_F(WaitRooms, PassOnASlotWhoseGuestHasJustLeft) {
    auto lease = occupy();
    auto& first = come(0);
    auto& second = come(1);
    lease.release();
    rooms[0]->waiting.cancel(first.waiter);
    turn();
    EXPECT_FALSE(first.waiter.lease);
    EXPECT_TRUE(second.waiter.lease.has_value());
}

TEST_F(WaitRooms, AreLeftAloneOnceTheirLastGuestIsGone) {
    auto lease = occupy();
    auto& hurried = come(0, "m", {}, 0ms);
    auto& patient = come(1);
    rooms[0]->io.restart();
    while (!hurried.done) {
        rooms[0]->io.run_one();
    }
    lease.release();
    turn();
    EXPECT_TRUE(patient.waiter.lease.has_value());
    EXPECT_EQ(rooms[0]->rung, 0);
}

TEST_F(WaitRooms, RingNobodyForeverForASlotThatNobodyCanUse) {
    fleet({ready("a", 1, {"m"}), ready("b", 1, {"n"})});
    const auto of_m = occupy("m");
    auto of_n = occupy("n");
    come(0, "m");
    come(1, "m");
    of_n.release();
    turn();
    EXPECT_THAT(served(), IsEmpty());
    EXPECT_EQ(rooms[0]->rung, 1);
    EXPECT_EQ(rooms[1]->rung, 1);
}

// --- Threads ---------------------------------------------------------------------------------

// A request after the other on one thread: each takes a slot or waits for it, and gives it back.
Task<> guests_in_turn(Room& room, Bell& bell, int count, std::atomic<int>& served) {
    const std::vector<std::string> tried;
    for (int i = 0; i < count; ++i) {
        WaitRoom::Waiter waiter;
        waiter.model = "m";
        waiter.tried = &tried;
        if (room.waiting.empty()) {
            waiter.choice = room.router.take(*room.view->candidates("m"), tried, waiter.lease);
        }
        if (waiter.choice == Choice::full) {
            ++bell.waiting;
            co_await room.waiting.wait(waiter, room.view, k_long);
            --bell.waiting;
        }
        served += waiter.lease ? 1 : 0;
        // Others of this thread come while the slot is held.
        co_await asio::post(room.io, k_await);
    }
}

TEST(WaitRoomThreads, AllGetTheirTurnOnASharedSlot) {
    constexpr std::size_t k_threads = 4;
    constexpr int k_guests = 3;
    constexpr int k_turns = 150;
    const core::ManualClock clock;
    const auto view = view_of({ready("r", 2)});
    Bell bell(k_threads);
    std::atomic<int> served{0};
    std::atomic<int> left{static_cast<int>(k_threads) * k_guests};
    std::vector<std::unique_ptr<Room>> rooms;
    for (std::size_t i = 0; i < k_threads; ++i) {
        rooms.push_back(std::make_unique<Room>(clock, bell, i));
        rooms.back()->view = view;
    }
    std::vector<std::thread> threads;
    for (auto& room : rooms) {
        threads.emplace_back([&, at = room.get()] {
            for (int guest = 0; guest < k_guests; ++guest) {
                asio::co_spawn(at->io, guests_in_turn(*at, bell, k_turns, served),
                               [&](const std::exception_ptr&) {
                                   if (--left == 0) {
                                       for (auto& other : rooms) {
                                           other->io.stop();
                                       }
                                   }
                               });
            }
            const auto guard = asio::make_work_guard(at->io);
            at->io.run();
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(served, static_cast<int>(k_threads) * k_guests * k_turns);
    EXPECT_EQ(view->load("r")->in_flight, 0);
    EXPECT_EQ(bell.waiting, 0U);
}

// --- The bell --------------------------------------------------------------------------------

TEST_F(Bells, WakeTheRoomThatWaitsLongest) {
    bell.set_oldest(0, 7);
    bell.set_oldest(1, 5);
    bell.set_oldest(2, 6);
    bell.slot_freed();
    EXPECT_THAT(rung, ElementsAre(1));
}

TEST_F(Bells, PassOverRoomsWhereNobodyWaits) {
    bell.set_oldest(2, 9);
    bell.slot_freed();
    EXPECT_THAT(rung, ElementsAre(2));
    bell.set_oldest(2, k_nobody);
    bell.slot_freed();
    EXPECT_THAT(rung, ElementsAre(2));
}

TEST_F(Bells, LeaveOutThoseThatHadTheirTry) {
    bell.set_oldest(0, 5);
    bell.set_oldest(1, 6);
    bell.slot_freed(5);
    EXPECT_THAT(rung, ElementsAre(1));
    bell.slot_freed(6);
    EXPECT_THAT(rung, ElementsAre(1));
}

TEST_F(Bells, AreSilentWhileNobodyWaits) {
    bell.set_oldest(0, 5);
    bell.waiting = 0;
    bell.slot_freed();
    EXPECT_THAT(rung, IsEmpty());
}

TEST_F(Bells, GiveEveryoneAPlaceOfTheirOwn) {
    const auto first = bell.draw();
    EXPECT_GT(first, k_nobody);
    EXPECT_GT(bell.draw(), first);
}

}  // namespace
}  // namespace sust::serve
