#include "tune/stage_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"

namespace sust::tune {
namespace {

constexpr Phase k_all[] = {Phase::prepare,   Phase::train,   Phase::convert,   Phase::evaluate,
                           Phase::register_, Phase::publish, Phase::stopping,  Phase::succeeded,
                           Phase::refused,   Phase::failed,  Phase::cancelled, Phase::lost};

TEST(StageTable, IsDrawnInTheDocumentation) {
    const auto page =
        core::read_file(core::Path(SUST_SOURCE_DIR) / "docs" / "formats" / "recipe.md", 1 << 20);
    ASSERT_TRUE(page);
    EXPECT_THAT(*page, testing::HasSubstr(stage_table_markdown()));
}

TEST(StageTable, HasNoTwoAnswersToOneEvent) {
    for (const auto& one : transitions()) {
        EXPECT_EQ(find_transition(one.from, one.event), &one)
            << to_string(one.from) << " " << to_string(one.event);
    }
}

TEST(StageTable, EveryPhaseAtWorkEndsWellBadlyOrByCancel) {
    for (const auto phase : k_all) {
        if (is_final(phase) || phase == Phase::stopping) {
            continue;
        }
        EXPECT_NE(find_transition(phase, Event::done), nullptr) << to_string(phase);
        EXPECT_NE(find_transition(phase, Event::failed), nullptr) << to_string(phase);
        // Publishing is one step that either happened or not.
        EXPECT_EQ(find_transition(phase, Event::cancel) != nullptr, phase != Phase::publish)
            << to_string(phase);
    }
}

TEST(StageTable, OnlyWhatDidNotEndWellCanBeResumed) {
    for (const auto phase : k_all) {
        const bool resumable =
            phase == Phase::failed || phase == Phase::cancelled || phase == Phase::lost;
        EXPECT_EQ(find_transition(phase, Event::resume) != nullptr, resumable) << to_string(phase);
    }
}

TEST(StageTable, NamesComeBack) {
    for (const auto phase : k_all) {
        EXPECT_EQ(parse_phase(to_string(phase)), phase);
    }
}

}  // namespace
}  // namespace sust::tune
