#include "tune/promotion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::tune {
namespace {

using testing::HasSubstr;

const std::vector<Parameter> k_known{{.name = "replay_windows",
                                      .type = ParameterType::integer,
                                      .default_value = std::int64_t{2},
                                      .reason = "keeps what the base knew"}};

Evaluation evaluation(std::optional<double> base, std::optional<double> tuned) {
    return {.datasets = {{.name = "known", .n = 10, .base_correct = 0, .tuned_correct = 9}},
            .perplexity = Perplexity{.base = base, .tuned = tuned, .tokens = 1000}};
}

Judgement judged(const Evaluation& evaluation, std::int64_t windows = 2) {
    return judge(evaluation, {}, {{"replay_windows", windows}}, k_known);
}

TEST(Promotion, FollowsTheGrowthOfPerplexity) {
    struct Row {
        std::optional<double> base, tuned;
        Promotion expected;
    };
    const Row rows[] = {
        {25.5, 24.4, Promotion::promote}, {100, 105, Promotion::promote},
        {100, 105.1, Promotion::refuse},  {25.5, 812, Promotion::refuse},
        {{}, 24.0, Promotion::refuse},    {25.5, {}, Promotion::refuse},
        {0.0, 24.0, Promotion::refuse},   {25.5, -1.0, Promotion::refuse},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(judged(evaluation(row.base, row.tuned)).promotion, row.expected)
            << row.base.value_or(-1) << " to " << row.tuned.value_or(-1);
    }
}

TEST(Promotion, ARefusalSaysByHowMuchAndWhatToChange) {
    const auto refused = judged(evaluation(25.5, 812), 0);
    EXPECT_EQ(refused.reason, "perplexity grew from 25.5 to 812 (31.8x), limit 5 %");
    EXPECT_EQ(refused.advice, "set replay_windows to 2");
    EXPECT_THAT(judged(evaluation(25.5, 812), 2).advice, HasSubstr("above 2"));
    EXPECT_THAT(judge(evaluation(25.5, 812), {}, {}, {}).advice, HasSubstr("fewer steps"));
}

TEST(Promotion, WhatIsNotKnownIsRefused) {
    auto unmeasured = evaluation(1, 1);
    unmeasured.perplexity = {};
    EXPECT_EQ(judged(unmeasured).promotion, Promotion::refuse);
    auto unasked = evaluation(1, 1);
    unasked.datasets.clear();
    EXPECT_EQ(judged(unasked).promotion, Promotion::refuse);
    auto untuned = evaluation(1, 1);
    untuned.datasets[0].tuned_correct = {};
    EXPECT_EQ(judged(untuned).promotion, Promotion::refuse);
}

TEST(Promotion, TheLimitIsTheRecipesParameter) {
    EXPECT_DOUBLE_EQ(promotion_limits({{"max_perplexity_growth", 0.5}}).max_perplexity_growth, 0.5);
    EXPECT_DOUBLE_EQ(promotion_limits({}).max_perplexity_growth, 0.05);
    EXPECT_EQ(judge(evaluation(100, 140), {.max_perplexity_growth = 0.5}, {}, {}).promotion,
              Promotion::promote);
}

}  // namespace
}  // namespace sust::tune
