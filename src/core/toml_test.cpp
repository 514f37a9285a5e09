#include "core/toml.h"

#include <gtest/gtest.h>

namespace sust::core {
namespace {

constexpr std::string_view k_text = R"(name = "demo"
count = 3
rate = 0.5
on = true
wait = "90s"
limit = "64MiB"
list = ["a", "b"]
[env]
KEY = "value"
[[stage]]
name = "train"
[[stage]]
name = "convert"
)";

TEST(Toml, KeysAreReadByTheirType) {
    const auto table = TomlTable::parse(k_text, "demo.toml").value();
    EXPECT_EQ(table.required_text("name").value(), "demo");
    EXPECT_EQ(table.required_integer("count").value(), 3);
    EXPECT_EQ(table.number("rate").value(), 0.5);
    EXPECT_EQ(table.number("count").value(), 3.0);
    EXPECT_EQ(table.boolean("on").value(), true);
    EXPECT_EQ(table.duration("wait").value(), 90s);
    EXPECT_EQ(table.size("limit").value(), 64U << 20);
    EXPECT_EQ(table.texts("list").value(), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(table.text_map("env").value().at("KEY"), "value");
    EXPECT_EQ(table.tables("stage").value()[1].required_text("name").value(), "convert");
    EXPECT_FALSE(table.text("absent").value().has_value());
    EXPECT_TRUE(table.no_other_keys());
}

TEST(Toml, AValueOfAnotherTypeIsNamedWithItsPlace) {
    const auto table = TomlTable::parse(k_text, "demo.toml").value();
    const auto error = table.integer("name").error();
    EXPECT_EQ(error.where.substr(0, 11), "demo.toml:1");
    EXPECT_NE(error.message.find("'name' must be an integer"), std::string::npos);
    EXPECT_FALSE(table.texts("name"));
    EXPECT_FALSE(table.table("name"));
    EXPECT_FALSE(table.duration("name"));
}

TEST(Toml, AnUnknownKeyIsNamedWithItsPlaceAndTheNearestKnownOne) {
    const auto table = TomlTable::parse("imgae = \"x\"\n", "a.toml").value();
    (void)table.text("image");
    (void)table.text("workdir");
    const auto error = table.no_other_keys().error();
    EXPECT_EQ(error.where, "a.toml:1:1");
    EXPECT_EQ(error.message, "unknown key 'imgae'");
    EXPECT_EQ(error.hint, "did you mean 'image'?");
}

TEST(Toml, TextThatIsNoTomlIsRefusedWithLineAndColumn) {
    EXPECT_EQ(TomlTable::parse("a = 1\nb = = 2\n", "x.toml").error().where, "x.toml:2:5");
    EXPECT_FALSE(TomlTable::parse("a = \"\xff\"", "x.toml"));
    EXPECT_EQ(TomlTable::parse("a = 1", "x.toml").value().required_text("b").error().message,
              "'b' is missing");
}

TEST(Toml, RawValuesComeAsJson) {
    const auto table =
        TomlTable::parse("a = 1.5\nb = \"x\"\nc = [1, 2]\nd = true\n", "x.toml").value();
    EXPECT_EQ(table.json("a").value(), "1.5");
    EXPECT_EQ(table.json("b").value(), "\"x\"");
    EXPECT_EQ(table.json("d").value(), "true");
    EXPECT_FALSE(table.json("e").value().has_value());
}

}  // namespace
}  // namespace sust::core
