#include "tune/evaluation.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sust::tune {
namespace {

using nlohmann::json;

TEST(Evaluation, ComesBackFromItsJson) {
    const Evaluation evaluation{.datasets = {{.name = "known",
                                              .digest = "sha256:a",
                                              .n = 4,
                                              .base_correct = 1,
                                              .tuned_correct = 3,
                                              .valid_json = 4}},
                                .perplexity = Perplexity{.base = 20, .tuned = 21, .tokens = 100}};
    const json written = evaluation;
    EXPECT_EQ(written["datasets"][0]["tuned_accuracy"], 0.75);
    EXPECT_DOUBLE_EQ(written["perplexity"]["growth"].get<double>(), 0.05);
    const auto read = evaluation_from_json(written);
    ASSERT_TRUE(read);
    EXPECT_EQ(json(*read), written);
}

TEST(Evaluation, WithoutAnAdapterTheTunedFiguresAreNull) {
    const Evaluation evaluation{.datasets = {{.name = "known", .n = 2, .base_correct = 1}}};
    const json written = evaluation;
    EXPECT_TRUE(written["datasets"][0]["tuned_correct"].is_null());
    EXPECT_TRUE(written["datasets"][0]["tuned_accuracy"].is_null());
    EXPECT_TRUE(written["perplexity"].is_null());
}

TEST(Evaluation, GrowthOfWhatIsNotANumberIsUnknown) {
    EXPECT_FALSE((Perplexity{.base = 0.0, .tuned = 1.0}).growth());
    EXPECT_FALSE((Perplexity{.base = {}, .tuned = 1.0}).growth());
    EXPECT_FALSE(
        (Perplexity{.base = 2.0, .tuned = std::numeric_limits<double>::infinity()}).growth());
}

TEST(Evaluation, AnUnknownFormatIsRefused) {
    EXPECT_FALSE(evaluation_from_json(json{{"format", 2}, {"datasets", json::array()}}));
    EXPECT_FALSE(evaluation_from_json(json::array()));
    EXPECT_FALSE(perplexity_from_json(json::parse("NaN", nullptr, false)));
}

}  // namespace
}  // namespace sust::tune
