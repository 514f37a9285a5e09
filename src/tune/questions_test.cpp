#include "tune/questions.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/file.h"

namespace sust::tune {
namespace {

using nlohmann::json;

TEST(Questions, AllButTheLastMessageIsAsked) {
    const auto question = question_of(
        R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]})");
    ASSERT_TRUE(question);
    EXPECT_EQ(question->expected, "a");
    const auto request = request_for(*question, "engine", R"({"lora":[{"id":0,"scale":1.0}]})");
    EXPECT_EQ(request.target, "/v1/chat/completions");
    const auto body = json::parse(request.body);
    EXPECT_EQ(body["messages"].size(), 2u);
    EXPECT_EQ(body["temperature"], 0);
    EXPECT_EQ(body["model"], "engine");
    EXPECT_EQ(body["lora"][0]["id"], 0);
    EXPECT_EQ(*answer_in(*question, R"({"choices":[{"message":{"content":"x"}}]})"), "x");
    EXPECT_FALSE(answer_in(*question, R"({"choices":[]})"));
}

TEST(Questions, ACompletionIsAskedAsItsPrompt) {
    const auto question = question_of(R"({"prompt":"p","completion":"c"})");
    ASSERT_TRUE(question);
    const auto request = request_for(*question, "engine", "{}");
    EXPECT_EQ(request.target, "/v1/completions");
    EXPECT_EQ(json::parse(request.body)["prompt"], "p");
    EXPECT_EQ(*answer_in(*question, R"({"choices":[{"text":"c"}]})"), "c");
}

TEST(Questions, JsonIsComparedByValueAndTextTrimmed) {
    struct Row {
        std::string_view expected, answer;
        bool right;
    };
    const Row rows[] = {
        {R"({"a":1,"b":2})", R"( {"b": 2, "a": 1} )", true},
        {R"({"a":1})", R"({"a":2})", false},
        {R"({"a":1})", R"({"a":1} and more)", false},
        {"yes", " yes\n", true},
        {"yes", "Yes", false},
        {"", "", true},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(is_right(row.expected, row.answer), row.right)
            << row.expected << " " << row.answer;
    }
}

TEST(Questions, TheReaderGivesEachLineOnceUpToTheLimit) {
    const auto folder = *core::TemporaryDirectory::create("/tmp", "questions");
    const auto file = folder.path() / "q.jsonl";
    ASSERT_TRUE(core::write_file(file,
                                 "{\"prompt\":\"1\",\"completion\":\"c\"}\n\n"
                                 "{\"prompt\":\"2\",\"completion\":\"c\"}\n"
                                 "{\"prompt\":\"3\",\"completion\":\"c\"}"));
    const auto count = [&](std::int64_t limit) {
        auto reader = *QuestionReader::open(file, limit);
        std::int64_t n = 0;
        while (*reader->next()) {
            ++n;
        }
        EXPECT_EQ(n, reader->total());
        return n;
    };
    EXPECT_EQ(count(0), 3);
    EXPECT_EQ(count(2), 2);
    EXPECT_EQ(count(9), 3);
    EXPECT_FALSE(QuestionReader::open(folder.path() / "absent", 0));
}

}  // namespace
}  // namespace sust::tune
