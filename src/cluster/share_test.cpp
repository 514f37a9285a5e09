#include "cluster/share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::cluster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t k_gib = 1ULL << 30;

class SharesOfAMachine : public testing::Test {
  protected:
    Claim claim(const std::string& token, Amount need, int priority = 0, Duration longest = 1h) {
        return {.token = {token},
                .need = need,
                .priority = priority,
                .order = order_++,
                .longest = longest};
    }
    std::optional<Share> ask(const Claim& claim) { return shares_.ask(claim, now_, why_); }

    Shares shares_{{.cores = {0, 1, 2, 3}, .memory_bytes = 8 * k_gib, .gpus = {0, 1}}};
    core::MonoTime now_{};
    std::string why_;
    std::int64_t order_ = 0;
};

TEST_F(SharesOfAMachine, NeverHaveAnIndexTwice) {
    const auto one = ask(claim("one", {.cores = 2, .gpus = 1})).value();
    const auto two = ask(claim("two", {.cores = 1, .gpus = 1})).value();
    EXPECT_THAT(one.cores, ElementsAre(0, 1));
    EXPECT_THAT(one.gpus, ElementsAre(0));
    EXPECT_THAT(two.cores, ElementsAre(2));
    EXPECT_THAT(two.gpus, ElementsAre(1));
    const auto three = claim("three", {.gpus = 1});
    EXPECT_FALSE(ask(three));
    EXPECT_EQ(why_, "waits for 1 GPUs, 0 of 2 are free");
    shares_.leave({"one"});
    EXPECT_THAT(ask(three)->gpus, ElementsAre(0));
}

TEST_F(SharesOfAMachine, AreNotCountedForWhoAsksForNothing) {
    ASSERT_TRUE(ask(claim("all", {.cores = 4, .memory_bytes = 8 * k_gib, .gpus = 2})));
    const auto none = ask(claim("none", {})).value();
    EXPECT_THAT(none.cores, IsEmpty());
    EXPECT_FALSE(ask(claim("some", {.memory_bytes = k_gib})));
    EXPECT_THAT(why_, HasSubstr("of memory"));
}

TEST_F(SharesOfAMachine, GoToTheHigherPriorityAndThenToTheEarlier) {
    ASSERT_TRUE(ask(claim("all", {.cores = 4})));
    const auto early = claim("z-early", {.cores = 3});
    const auto late = claim("a-late", {.cores = 3});
    const auto urgent = claim("urgent", {.cores = 3}, 5);
    for (const auto& waiting : {late, early, urgent}) {
        EXPECT_FALSE(ask(waiting));
    }
    shares_.leave({"all"});
    EXPECT_FALSE(ask(early));
    EXPECT_FALSE(ask(late));
    EXPECT_TRUE(ask(urgent));
    shares_.leave({"urgent"});
    EXPECT_FALSE(ask(late));
    EXPECT_TRUE(ask(early));
}

TEST_F(SharesOfAMachine, LetASmallJobPastOnlyWhereItDelaysNobody) {
    ASSERT_TRUE(ask(claim("running", {.cores = 2}, 0, 1h)));
    const auto big = claim("big", {.cores = 4});
    EXPECT_FALSE(ask(big));
    const auto longer = claim("long", {.cores = 1}, 0, 2h);
    EXPECT_FALSE(ask(longer));
    EXPECT_EQ(why_, "waits for its turn after big");
    EXPECT_TRUE(ask(claim("short", {.cores = 1}, 0, 30min)));
    now_ += 45min;  // what ends after the hour would hold the big one up
    EXPECT_FALSE(ask(claim("later", {.cores = 1}, 0, 30min)));
    shares_.leave({"running"});
    EXPECT_FALSE(ask(longer));
    shares_.leave({"short"});
    EXPECT_FALSE(ask(longer));
    EXPECT_TRUE(ask(big));
}

TEST_F(SharesOfAMachine, LetAJobPastThatFitsBesideTheFirst) {
    ASSERT_TRUE(ask(claim("running", {.cores = 3}, 0, 1h)));
    EXPECT_FALSE(ask(claim("first", {.cores = 3})));
    EXPECT_TRUE(ask(claim("beside", {.cores = 1}, 0, 1000h)));
    EXPECT_FALSE(ask(claim("another", {.cores = 1}, 0, 1000h)));
}

// Small jobs that come without end do not keep a big one waiting.
TEST_F(SharesOfAMachine, StarveNobody) {
    std::vector<std::string> running;
    for (int i = 0; i < 4; ++i) {
        running.push_back("small-" + std::to_string(i));
        ASSERT_TRUE(ask(claim(running.back(), {.cores = 1}, 0, 1h)));
    }
    const auto big = claim("big", {.cores = 4});
    ASSERT_FALSE(ask(big));
    for (const auto& ended : running) {
        now_ += 10min;
        shares_.leave({ended});
        EXPECT_FALSE(ask(claim("more-" + ended, {.cores = 1}, 0, 1h)));
        if (ask(big)) {
            return;
        }
    }
    FAIL() << "the big job never started: " << why_;
}

TEST_F(SharesOfAMachine, AreFoundAgain) {
    shares_.keep({"found"}, {.cores = {1, 3}, .gpus = {1}}, now_ + 1h);
    const auto next = ask(claim("next", {.cores = 2, .gpus = 1})).value();
    EXPECT_THAT(next.cores, ElementsAre(0, 2));
    EXPECT_THAT(next.gpus, ElementsAre(0));
    EXPECT_EQ(shares_.free(), (Amount{.memory_bytes = 8 * k_gib}));
}

TEST_F(SharesOfAMachine, AreNotGivenWhileItIsNotKnownWhatIsGiven) {
    shares_.doubt({"unreadable"});
    const auto next = claim("next", {.gpus = 1});
    EXPECT_FALSE(ask(next));
    EXPECT_THAT(why_, HasSubstr("unreadable"));
    EXPECT_TRUE(ask(claim("none", {})));
    shares_.keep({"unreadable"}, {.gpus = {0}}, now_ + 1h);
    EXPECT_THAT(ask(next)->gpus, ElementsAre(1));
}

TEST_F(SharesOfAMachine, DoNotBlockForWhatTheMachineNoLongerHas) {
    EXPECT_FALSE(ask(claim("giant", {.cores = 9})));
    EXPECT_THAT(why_, HasSubstr("not enough"));
    EXPECT_TRUE(ask(claim("next", {.cores = 4})));
}

TEST_F(SharesOfAMachine, AreNotTakenByAskingWhatWouldBe) {
    EXPECT_FALSE(shares_.obstacle(claim("maybe", {.cores = 4}), now_));
    EXPECT_EQ(shares_.free().cores, 4);
    ASSERT_TRUE(ask(claim("all", {.cores = 4})));
    EXPECT_THAT(shares_.obstacle(claim("maybe", {.cores = 4}), now_).value(), HasSubstr("4 cores"));
}

}  // namespace
}  // namespace sust::cluster
