#include "cluster/states.h"

#include <gtest/gtest.h>

#include "core/file.h"

namespace sust::cluster {
namespace {

constexpr std::array k_states = {State::planned, State::submitted, State::queued, State::starting,
                                 State::running, State::stopping,  State::ended,  State::unknown};

TEST(States, TheEndIsLeftByResubmittingOnly) {
    for (const auto state : k_states) {
        for (int event = 0; event < static_cast<int>(Event::resubmitted); ++event) {
            EXPECT_EQ(is_final(state) && next_state(state, static_cast<Event>(event)), false)
                << to_string(state) << " " << event;
        }
        EXPECT_EQ(next_state(state, Event::resubmitted).has_value(), is_final(state));
    }
}

TEST(States, UnreadableWordsNeverEndAJob) {
    for (const auto state : k_states) {
        if (!is_final(state)) {
            EXPECT_EQ(next_state(state, Event::words_unreadable), State::unknown);
        }
    }
}

TEST(States, WhatIsUnknownMayTurnOutToBeAnything) {
    for (int event = 0; event < static_cast<int>(Event::resubmitted); ++event) {
        EXPECT_TRUE(next_state(State::unknown, static_cast<Event>(event))) << event;
    }
}

TEST(States, WhoIsBeingStoppedIsNeverShownAsRunningAgain) {
    for (int event = 0; event < static_cast<int>(Event::words_unreadable); ++event) {
        const auto next = next_state(State::stopping, static_cast<Event>(event));
        EXPECT_TRUE(!next || *next == State::stopping || *next == State::ended) << event;
    }
}

TEST(States, EveryEndIsReadAgain) {
    for (int end = 0; end <= static_cast<int>(End::vanished); ++end) {
        EXPECT_EQ(parse_end(to_string(static_cast<End>(end))).value(), static_cast<End>(end));
    }
    EXPECT_FALSE(parse_end("dead"));
}

TEST(States, TheTableInTheDocumentsIsTheTableInTheCode) {
    const auto document = core::read_file(Path(SUST_SOURCE_DIR) / "docs/protocol/job.md", 1 << 20);
    ASSERT_TRUE(document);
    EXPECT_NE(document->find(state_table_markdown()), std::string::npos)
        << "docs/protocol/job.md should contain:\n"
        << state_table_markdown();
}

}  // namespace
}  // namespace sust::cluster
