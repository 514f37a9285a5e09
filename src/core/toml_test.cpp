#include "core/toml.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/text.h"
#include "core/toml_limits.h"

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

std::string repeated(std::string_view text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) {
        all += text;
    }
    return all;
}

std::string place_of_refusal(std::string_view text) {
    const auto table = TomlTable::parse(text, "x.toml");
    return table ? "none" : table.error().where;
}

TEST(Toml, ControlCharactersAreRefusedWithLineAndColumn) {
    for (int code = 0; code <= 0x7f; code = code == 0x1f ? 0x7f : code + 1) {
        const char c = static_cast<char>(code);
        if (c == '\t' || c == '\n' || c == '\r') {
            continue;
        }
        for (const auto before : {"", "# ", "b = \"", "b = '", "b = \"\"\""}) {
            const auto text = fmt::format("a = 1\n{}{}\n", before, c);
            const auto column = std::string_view(before).size() + 1;
            EXPECT_EQ(place_of_refusal(text), fmt::format("x.toml:2:{}", column))
                << code << " after " << before;
        }
    }
}

TEST(Toml, AByteOrderMarkIsReadAtTheBeginningOnly) {
    const auto table = TomlTable::parse(
                           "\xEF\xBB\xBF"
                           "a = 1\n",
                           "x.toml")
                           .value();
    EXPECT_EQ(table.where("a"), "x.toml:1:5");
    EXPECT_EQ(place_of_refusal("\xEF\xBB\xBF= 1\n"), "x.toml:1:1");
    EXPECT_EQ(place_of_refusal("a = 1\n\xEF\xBB\xBF"
                               "b = 1\n"),
              "x.toml:2:1");
    EXPECT_EQ(place_of_refusal("\xEF\xBB\xBF" + repeated("a.", 40) + "b = 1\n"), "x.toml:1:64");
}

// One of each range that toml++ 3.3 holds for impossible, its first and last, and neighbours.
TEST(Toml, TextOfAnyScriptIsReadWhereBlanksMayStand) {
    for (const auto word :
         {"\u00a1", "\u00e4", "\u0436", "\u0499", "\u049a", "\u2c5e", "\u3042", "\u3057", "\u3058",
          "\ufb26", "\ufefb", "\ufefe", "\uff01", "\U0001f600"}) {
        const auto text = fmt::format("a = \"\"\"\\\n   {0}{0}\"\"\"\n", word);
        EXPECT_EQ(TomlTable::parse(text, "x.toml").value().text("a").value(),
                  std::string(word) + word);
        EXPECT_EQ(place_of_refusal(fmt::format("a = 1\n{}\x1a\n", word)), "x.toml:2:1") << word;
        EXPECT_EQ(place_of_refusal(fmt::format("a = 1\nb = {}\n", word)), "x.toml:2:5") << word;
        EXPECT_EQ(place_of_refusal(fmt::format("a = [1{}]\n", word)), "x.toml:1:7") << word;
    }
}

TEST(Toml, AMessageIsTextWhereverItIsCut) {
    for (const auto* shift : {"", "x"}) {
        const auto key = shift + repeated("\u00e4", 400);
        const auto text = fmt::format("[\"{0}\"]\n[\"{0}\"]\n", key);
        const auto table = TomlTable::parse(text, "x.toml");
        ASSERT_FALSE(table);
        EXPECT_TRUE(is_utf8(table.error().message));
    }
}

TEST(Toml, WhatIsNestedTooDeeplyIsRefusedBeforeTheStackEnds) {
    EXPECT_EQ(place_of_refusal(repeated("a.", 100'000) + "a = 1\n"), "x.toml:1:64");
    EXPECT_EQ(place_of_refusal("\n[" + repeated("a . ", 100) + "a]\n"), "x.toml:2:128");
    EXPECT_EQ(place_of_refusal("\"\" = {" + repeated("\"=#\" . '\"' . ", 100) + "a = 1}\n"),
              "x.toml:1:213");
    EXPECT_EQ(place_of_refusal("a = " + repeated("[", 100'000)).substr(0, 8), "x.toml:1");
    EXPECT_EQ(place_of_refusal("a = " + repeated("{a=", 30'000)).substr(0, 8), "x.toml:1");
    // As deep as may be: in a header, in a key and in each of its values.
    const auto key = repeated("a.", k_max_toml_depth - 1) + "a";
    std::string value = "1";
    for (std::size_t i = 1; i < k_max_toml_depth; ++i) {
        value = fmt::format("{{{} = {}}}", key, value);
    }
    const auto table = TomlTable::parse(fmt::format("[{0}]\n{0} = {1}\n", key, value), "x.toml");
    ASSERT_TRUE(table);
    EXPECT_LT(table->json("a").value()->size(), 100'000U);
}

TEST(Toml, DotsThatPartNoKeyAreNotCounted) {
    const auto dots = repeated(".", 100);
    const auto table = TomlTable::parse(
        fmt::format("# {0}\na = \"{0}\\\"{0}\"\nb = '{0}\\'\nc = \"\"\"\n\"\"{0}\"\"\"\"\"\n"
                    "d = '''{0}\n'{0}''''\ne = [{1}]\nf = \"\"\n",
                    dots, repeated("1.5, ", 100)),
        "x.toml");
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_EQ(table->text("c").value(), "\"\"" + dots + "\"\"");
    EXPECT_EQ(table->text("d").value(), dots + "\n'" + dots + "'");
}

TEST(Toml, ANumberPaddedPastTheMemoryOfTheParserIsRefused) {
    const auto padding = repeated("_", 116);
    EXPECT_EQ(place_of_refusal("a = 2020-01-0" + padding + "1 12:00:00\n"), "x.toml:1:78");
    EXPECT_EQ(place_of_refusal("a = 2=\"" + padding + "\"-00-00 12:00:00\n"), "x.toml:1:72");
    EXPECT_EQ(TomlTable::parse("a = 1_000_000\n", "x.toml").value().integer("a").value(),
              1'000'000);
    EXPECT_TRUE(TomlTable::parse("a" + padding + " = \"" + padding + "\" # " + padding, "x.toml"));
}

TEST(Toml, ATextOfAnyLengthIsNotRead) {
    EXPECT_TRUE(TomlTable::parse("#" + std::string(k_max_toml_bytes - 1, ' '), "x.toml"));
    EXPECT_EQ(place_of_refusal("#" + std::string(k_max_toml_bytes, ' ')), "x.toml");
}

}  // namespace
}  // namespace sust::core
