#include "tune/data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sust::tune {
namespace {

using testing::HasSubstr;

constexpr std::string_view k_chat =
    R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})";
constexpr std::string_view k_completion = R"({"prompt":"a","completion":"b"})";

DataReport check(std::string_view text, std::optional<DataFormat> format = {},
                 DataLimits limits = {}) {
    DataCheck check(format, limits);
    check.feed(text);
    return check.finish();
}

std::string lines(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const auto part : parts) {
        text += std::string(part) + "\n";
    }
    return text;
}

TEST(Data, TheFirstLineTellsTheFormat) {
    EXPECT_EQ(check(lines({k_chat})).format, DataFormat::chat);
    EXPECT_EQ(check(lines({k_completion})).format, DataFormat::completions);
    EXPECT_TRUE(check(lines({k_chat})).good());
}

TEST(Data, CountsLinesTurnsDuplicatesAndTheLongest) {
    const auto longer =
        R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})";
    const auto report = check(lines({k_chat, longer, k_chat}));
    EXPECT_EQ(report.lines, 3u);
    EXPECT_EQ(report.turns, 7u);
    EXPECT_EQ(report.duplicates, 1u);
    EXPECT_EQ(report.longest_line, 2u);
    EXPECT_EQ(report.longest_bytes, std::string_view(longer).size());
}

TEST(Data, EveryBadLineIsNamedWithItsReason) {
    struct Row {
        std::string line;
        std::string reason;
    };
    const Row rows[] = {
        {"", "empty line"},
        {"   ", "empty line"},
        {"[1]", "not an object"},
        {R"({"message":[]})", "is \"message\" meant?"},
        {R"({"messages":{}})", "not an array"},
        {R"({"messages":[]})", "\"messages\" is empty"},
        {R"({"messages":[{"role":"user","content":"a"}]})", "not the assistant's"},
        {R"({"messages":[{"role":"assistant","content":"a"}]})", "answers nobody"},
        {R"({"messages":[{"role":"bot","content":"a"}]})", "unknown role \"bot\""},
        {R"({"messages":[{"rolle":"user","content":"a"}]})", "is \"rolle\" meant?"},
        {R"({"messages":[{"role":"user","content":null}]})", "not text"},
        {R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":" "}]})",
         "says nothing"},
        {R"({"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]})",
         "may only be the first"},
        {std::string(k_completion), "a completions example among chat"},
        {std::string(40, '['), "nested over 32 deep"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", "not UTF-8"},
    };
    for (const auto& row : rows) {
        const auto report = check(lines({k_chat, row.line}));
        ASSERT_EQ(report.problem_count, 1u) << row.line;
        EXPECT_EQ(report.problems[0].line, 2u) << row.line;
        EXPECT_THAT(report.problems[0].reason, HasSubstr(row.reason)) << row.line;
    }
}

TEST(Data, MalformedJsonHasItsColumn) {
    const auto report = check(lines({R"({"messages":[}]})"}));
    ASSERT_EQ(report.problem_count, 1u);
    EXPECT_EQ(report.problems[0].column, 14u);
    EXPECT_THAT(to_string(report.problems[0], "f.jsonl"),
                testing::StartsWith("f.jsonl:1:14: not JSON"));
}

TEST(Data, BadUtf8HasTheColumnOfItsFirstByte) {
    const auto report = check("{\"prompt\":\"\xc3\xa4\xe2\x82\xac\xff\"}\n");
    ASSERT_EQ(report.problem_count, 1u);
    EXPECT_EQ(report.problems[0].column, 17u);
}

TEST(Data, AByteOrderMarkIsNamed) {
    const auto report = check("\xEF\xBB\xBF" + lines({k_chat}));
    ASSERT_EQ(report.problem_count, 1u);
    EXPECT_THAT(report.problems[0].reason, HasSubstr("byte order mark"));
}

TEST(Data, AllErrorsAreCountedAndTheFirstOnesKept) {
    std::string text;
    for (int i = 0; i < 100; ++i) {
        text += "x\n";
    }
    const auto report = check(text, {}, {.max_problems_kept = 3});
    EXPECT_EQ(report.problem_count, 100u);
    EXPECT_EQ(report.problems.size(), 3u);
    const auto refused = require_good(report, "f.jsonl");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("f.jsonl:1:1:"));
    EXPECT_THAT(refused.error().message, HasSubstr("and 97 more"));
}

TEST(Data, ALineOverTheLimitIsRefusedAndTheNextIsReadAsUsual) {
    const auto report =
        check(std::string(5000, 'a') + "\n" + lines({k_chat}), {}, {.max_line_bytes = 1000});
    ASSERT_EQ(report.problem_count, 1u);
    EXPECT_EQ(report.problems[0].line, 1u);
    EXPECT_THAT(report.problems[0].reason, HasSubstr("longer than"));
    EXPECT_EQ(report.format, DataFormat::chat);
}

TEST(Data, AFileOverTheLimitIsRefused) {
    const auto report = check(lines({k_chat, k_chat}), {}, {.max_file_bytes = 100});
    ASSERT_EQ(report.problem_count, 1u);
    EXPECT_THAT(report.problems[0].reason, HasSubstr("larger than"));
}

TEST(Data, AnEmptyFileIsNoData) {
    EXPECT_EQ(check("").problem_count, 1u);
    EXPECT_FALSE(check("").format);
}

TEST(Data, TheGivenFormatWinsOverTheFirstLine) {
    const auto report = check(lines({k_chat}), DataFormat::completions);
    EXPECT_EQ(report.problem_count, 1u);
}

TEST(Data, CutsBetweenPiecesChangeNothing) {
    const auto text = lines({k_chat, "x", k_chat, "{"});
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        DataCheck check;
        check.feed(std::string_view(text).substr(0, cut));
        check.feed(std::string_view(text).substr(cut));
        const auto report = check.finish();
        EXPECT_EQ(report.lines, 4u);
        EXPECT_EQ(report.problem_count, 2u);
    }
}

TEST(Data, TheLastLineNeedsNoNewline) {
    EXPECT_TRUE(check(k_chat).good());
    EXPECT_TRUE(check(std::string(k_chat) + "\r\n").good());
}

TEST(Data, AMissingFileIsAnError) {
    const auto report = check_data_file("/nonexistent/data.jsonl");
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().fault, core::Fault::not_found);
}

}  // namespace
}  // namespace sust::tune
