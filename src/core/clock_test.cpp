#include "core/clock.h"

#include <gtest/gtest.h>

#include "core/id.h"

namespace sust::core {
namespace {

TEST(Clock, TimesReadBackWhatTheyWrote) {
    ManualClock clock;
    clock.advance(1234ms);
    EXPECT_EQ(rfc3339(clock.wall()), "2026-01-01T00:00:01.234Z");
    EXPECT_EQ(parse_rfc3339(rfc3339(clock.wall())).value(), clock.wall());
}

TEST(Clock, TextThatIsNoTimeIsRefused) {
    for (const char* text : {"", "2026", "2026-13-01T00:00:00.000Z", "2026-01-01T25:00:00Z",
                             "2026-01-01T00:00:00.000Zx", "2026-02-30T00:00:00Z"}) {
        EXPECT_FALSE(parse_rfc3339(text)) << text;
    }
}

TEST(Clock, ADeadlineNeverHasLessThanNothingLeft) {
    ManualClock clock;
    const Deadline deadline(clock, 5s);
    clock.advance(2s);
    EXPECT_EQ(deadline.left(), 3s);
    clock.advance(9s);
    EXPECT_EQ(deadline.left(), 0s);
    EXPECT_TRUE(deadline.passed());
}

TEST(Ids, SortByTheTimeTheyWereMade) {
    ManualClock clock;
    const auto first = make_id(clock, "run-");
    clock.advance(1ms);
    const auto second = make_id(clock, "run-");
    EXPECT_LT(first, second);
    EXPECT_EQ(first.size(), 4U + 26U);
}

}  // namespace
}  // namespace sust::core
