#include "tune/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sust::tune {
namespace {

using testing::HasSubstr;

constexpr std::string_view k_toml = R"(
[rank]
type = "integer"
default = 16
min = 1
max = 256
reason = "a higher rank learns more"
[rate]
type = "number"
default = 3e-3
min = 1e-6
max = 1e-2
reason = "above it training diverges"
[targets]
type = "string"
default = "all"
choices = ["all", "attention"]
reason = "fewer make a smaller adapter"
[shuffle]
type = "boolean"
default = true
reason = "order matters"
)";

std::vector<Parameter> known() {
    auto table = core::TomlTable::parse(k_toml, "recipe.toml");
    auto parameters = parse_parameters(*table);
    EXPECT_TRUE(parameters) << core::to_string(parameters.error());
    return *parameters;
}

TEST(Parameters, WhatIsNotSetHasItsDefault) {
    const auto meant = apply_settings(known(), {{"rank", "8"}});
    ASSERT_TRUE(meant);
    EXPECT_EQ(meant->at("rank"), Value(std::int64_t{8}));
    EXPECT_EQ(meant->at("rate"), Value(3e-3));
    EXPECT_EQ(meant->at("shuffle"), Value(true));
    EXPECT_EQ(meant->at("targets"), Value(std::string("all")));
}

TEST(Parameters, BadSettingsSayWhatIsAllowedAndWhy) {
    struct Row {
        Settings settings;
        std::string message;
        std::string hint;
    };
    const Row rows[] = {
        {{{"rnk", "8"}}, "unknown parameter 'rnk'", "is 'rank' meant?"},
        {{{"zzz", "8"}}, "unknown parameter 'zzz'", "rank, rate, shuffle, targets"},
        {{{"rank", "300"}}, "out of range: 1 to 256", "learns more"},
        {{{"rank", "0"}}, "out of range: 1 to 256", "learns more"},
        {{{"rank", "many"}}, "'many' is not an integer", "1 to 256"},
        {{{"rank", "1.5"}}, "'1.5' is not an integer", "1 to 256"},
        {{{"rate", "1"}}, "out of range: 1e-06 to 0.01", "diverges"},
        {{{"rate", "nan"}}, "rate", ""},
        {{{"shuffle", "yes"}}, "'yes' is not a boolean", "true or false"},
        {{{"targets", "none"}}, "out of range: one of all | attention", "smaller adapter"},
    };
    for (const auto& row : rows) {
        const auto meant = apply_settings(known(), row.settings);
        ASSERT_FALSE(meant) << row.message;
        EXPECT_EQ(meant.error().fault, core::Fault::invalid);
        EXPECT_THAT(meant.error().message, HasSubstr(row.message));
        EXPECT_THAT(meant.error().hint, HasSubstr(row.hint));
    }
}

TEST(Parameters, ARecipeWithAFaultyParameterIsRefused) {
    const std::string_view rows[] = {
        "[a]\ntype='integer'\ndefault=1\nmin=2\nreason='r'\n",
        "[a]\ntype='integer'\ndefault='x'\nreason='r'\n",
        "[a]\ntype='integer'\nreason='r'\n",
        "[a]\ntype='integer'\ndefault=1\n",
        "[a]\ntype='whole'\ndefault=1\nreason='r'\n",
        "[a]\ntype='string'\ndefault='x'\nmin=1\nreason='r'\n",
        "[a]\ntype='integer'\ndefault=1\nchoices=['1']\nreason='r'\n",
        "[a]\ntype='integer'\ndefault=1\nreason='r'\nmaximum=2\n",
    };
    for (const auto row : rows) {
        auto table = core::TomlTable::parse(row, "recipe.toml");
        ASSERT_TRUE(table);
        const auto parameters = parse_parameters(*table);
        ASSERT_FALSE(parameters) << row;
        EXPECT_THAT(parameters.error().where, HasSubstr("recipe.toml:")) << row;
    }
}

TEST(Parameters, JsonSettingsAreTextNumbersAndBooleans) {
    const auto settings = settings_from_json({{"rank", 8}, {"shuffle", false}, {"targets", "all"}});
    ASSERT_TRUE(settings);
    EXPECT_EQ(*settings, (Settings{{"rank", "8"}, {"shuffle", "false"}, {"targets", "all"}}));
    EXPECT_FALSE(settings_from_json({{"rank", nlohmann::json::array()}}));
    EXPECT_FALSE(settings_from_json(nlohmann::json::array()));
    EXPECT_TRUE(settings_from_json(nullptr)->empty());
}

TEST(Parameters, ComeBackFromTheirJson) {
    const auto meant = *apply_settings(known(), {});
    const auto read = parameters_from_json(parameters_json(meant));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, meant);
}

}  // namespace
}  // namespace sust::tune
