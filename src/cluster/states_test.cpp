#include "cluster/states.h"

#include <gtest/gtest.h>

#include "core/file.h"

namespace sust::cluster {
namespace {

constexpr std::array k_states = {State::pending, State::running,   State::succeeded,
                                 State::failed,  State::cancelled, State::timed_out,
                                 State::lost,    State::unknown};

TEST(States, AFinalStateIsLeftByResubmittingOnly) {
    for (const auto state : k_states) {
        for (int event = 0; event <= static_cast<int>(Event::resubmitted); ++event) {
            const auto next = next_state(state, static_cast<Event>(event));
            if (is_final(state) && static_cast<Event>(event) != Event::resubmitted) {
                EXPECT_FALSE(next) << to_string(state) << " " << event;
            }
        }
        EXPECT_EQ(next_state(state, Event::resubmitted).has_value(), is_final(state));
    }
}

TEST(States, UnreadableWordsNeverEndAJob) {
    for (const auto state : {State::pending, State::running, State::unknown}) {
        EXPECT_EQ(next_state(state, Event::words_unreadable), State::unknown);
    }
}

TEST(States, WhatIsUnknownMayTurnOutToBeAnything) {
    for (int event = 0; event < static_cast<int>(Event::resubmitted); ++event) {
        EXPECT_TRUE(next_state(State::unknown, static_cast<Event>(event))) << event;
    }
}

TEST(States, EveryNameIsReadAgain) {
    for (const auto state : k_states) {
        EXPECT_EQ(parse_state(to_string(state)).value(), state);
    }
    EXPECT_FALSE(parse_state("dead"));
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
