#include "serve/json_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::serve {
namespace {

TEST(JsonScan, FindsMembersWhereTheyAre) {
    constexpr std::string_view text = R"( {"a" : [1, {"b":2}], "c\u0064":"x\"y" , "e":{}} )";
    const auto members = scan_object(text);
    ASSERT_TRUE(members) << to_string(members.error());
    ASSERT_EQ(members->size(), 3U);
    EXPECT_EQ((*members)[0].value.in(text), R"([1, {"b":2}])");
    const auto* escaped = find_member(text, *members, "cd");
    ASSERT_NE(escaped, nullptr);
    EXPECT_EQ(escaped->value.in(text), R"("x\"y")");
    EXPECT_EQ(escaped->kind, JsonKind::string);
    EXPECT_EQ(find_member(text, *members, "f"), nullptr);
    EXPECT_EQ(first_element(text, (*members)[0].value)->value.in(text), "1");
    EXPECT_EQ(first_element(text, (*members)[2].value), std::nullopt);
}

TEST(JsonScan, TakesTheLastOfTwoMembersOfOneName) {
    constexpr std::string_view text = R"({"a":1,"a":2})";
    EXPECT_EQ(find_member(text, *scan_object(text), "a")->value.in(text), "2");
}

TEST(JsonScan, AcceptsWhatIsJson) {
    for (const auto* text :
         {"{}", "{\"a\":-0.5e+10}", "{\"a\":0}", "{\"a\":[]}", "{\"a\":[[],{}]}",
          "{\"\":true,\"b\":false,\"c\":null}", "{\"a\":\"\\u00e4\\ud83d\\ude00\\/\"}",
          "{\"a\":\"\xc3\xa4\xf0\x9f\x98\x80\"}", "\t\r\n {}\n"}) {
        EXPECT_TRUE(scan_object(text)) << text;
    }
}

TEST(JsonScan, RefusesWhatIsNotAndSaysWhere) {
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"", "byte 0"},
        {"[]", "byte 0"},
        {"{", "byte 1"},
        {"{\"a\"}", "byte 4"},
        {"{\"a\":}", "byte 5"},
        {"{\"a\":1,}", "byte 7"},
        {"{'a':1}", "byte 1"},
        {"{\"a\":01}", "byte 6"},
        {"{\"a\":1.}", "byte 7"},
        {"{\"a\":+1}", "byte 5"},
        {"{\"a\":NaN}", "byte 5"},
        {"{\"a\":\"\n\"}", "byte 6 (line 1, column 7)"},
        {"{\"a\":\"\\x\"}", "byte 7"},
        {"{\"a\":\"\\u12g4\"}", "byte 10"},
        {"{\"a\":\"", "byte 6"},
        {"{} x", "byte 3"},
        {"{\"a\":\"\xff\"}", "byte 6"},
        {"{\"a\":\"\xc0\x80\"}", "byte 6"},
        {"{\"a\":\"\xed\xa0\x80\"}", "byte 6"},
        {"{\n \"a\": tru }", "byte 8 (line 2, column 7)"},
    };
    for (const auto& [text, place] : wrong) {
        const auto scanned = scan_object(text);
        ASSERT_FALSE(scanned) << text;
        EXPECT_THAT(scanned.error().where, testing::StartsWith(place)) << text;
    }
}

TEST(JsonScan, BoundsTheDepth) {
    const auto nested = [](int depth) {
        return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
    };
    EXPECT_TRUE(scan_object(nested(k_json_depth - 1)));
    EXPECT_FALSE(scan_object(nested(k_json_depth)));
    EXPECT_FALSE(scan_object(nested(1'000'000)));
}

TEST(JsonText, IsQuotedAndUnquoted) {
    const std::string text = "a\"b\\c\n\x01 \xc3\xa4";
    EXPECT_EQ(unquote(quote(text)), text);
    EXPECT_EQ(unquote(R"("\u00e4\ud83d\ude00\/\t")"), "\xc3\xa4\xf0\x9f\x98\x80/\t");
    EXPECT_EQ(unquote(R"("\ud83d")"), "\xef\xbf\xbd");
}

TEST(JsonCount, IsAnIntegerFromZeroOn) {
    EXPECT_EQ(as_count("12"), 12);
    EXPECT_EQ(as_count("-1"), std::nullopt);
    EXPECT_EQ(as_count("1.5"), std::nullopt);
}

}  // namespace
}  // namespace sust::serve
