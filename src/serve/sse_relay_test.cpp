#include "serve/sse_relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::serve {
namespace {

constexpr std::string_view k_stream =
    ": a comment\n\n"
    "data: {\"model\":\"E\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
    "event: x\r\ndata: "
    "{\"choices\":[{\"delta\":{\"content\":\"\xc3\xa4\"}}],\"model\":\"E\"}\r\n\r\n"
    "data:{\"choices\":[{\"text\":\"b\",\ndata:\"index\":0}],\"model\":\"E\"}\n\n"
    "data: {\"choices\":[{\"delta\":{}}],\"model\":\"E\",\"timings\":{\"x\":1.0}}\n\n"
    "data: "
    "{\"choices\":[],\"model\":\"E\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3}}\n\n"
    "data: [DONE]\n\n";

constexpr std::string_view k_relayed =
    ": a comment\n\n"
    "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
    "event: x\r\ndata: "
    "{\"choices\":[{\"delta\":{\"content\":\"\xc3\xa4\"}}],\"model\":\"m\"}\r\n\r\n"
    "data: {\"choices\":[{\"text\":\"b\", \"index\":0}],\"model\":\"m\"}\n\n"
    "data: {\"choices\":[{\"delta\":{}}],\"model\":\"m\",\"timings\":{\"x\":1.0}}\n\n"
    "data: [DONE]\n\n";

TEST(SseRelay, GivesTheSameWhereverTheBytesAreCut) {
    for (std::size_t cut = 0; cut <= k_stream.size(); ++cut) {
        SseRelay relay("m", UsageWish::drop);
        std::string out;
        ASSERT_TRUE(relay.feed(k_stream.substr(0, cut), out));
        ASSERT_TRUE(relay.feed(k_stream.substr(cut), out));
        ASSERT_EQ(out, k_relayed) << "cut at " << cut;
        EXPECT_TRUE(relay.at_boundary());
        EXPECT_TRUE(relay.done());
        EXPECT_EQ(relay.usage(), (Usage{.prompt_tokens = 5, .completion_tokens = 3}));
        EXPECT_EQ(relay.content_events(), 3);
    }
}

TEST(SseRelay, GivesTheSameByteByByte) {
    SseRelay relay("m", UsageWish::drop);
    std::string out;
    for (char c : k_stream) {
        ASSERT_TRUE(relay.feed({&c, 1}, out));
    }
    EXPECT_EQ(out, k_relayed);
}

TEST(SseRelay, PassesAnEventAsSoonAsItIsWhole) {
    SseRelay relay("m", UsageWish::drop);
    std::string out;
    ASSERT_TRUE(relay.feed("data: {\"x\":1}\n", out));
    EXPECT_EQ(out, "");
    EXPECT_FALSE(relay.at_boundary());
    ASSERT_TRUE(relay.feed("\n", out));
    EXPECT_EQ(out, "data: {\"x\":1}\n\n");
}

TEST(SseRelay, PassesUsageToWhomAskedForIt) {
    SseRelay relay("m", UsageWish::pass);
    std::string out;
    ASSERT_TRUE(relay.feed(k_stream, out));
    EXPECT_THAT(out, testing::HasSubstr("\"prompt_tokens\":5"));
}

TEST(SseRelay, ReadsUsageFromAChunkWithContentAndPassesIt) {
    SseRelay relay("m", UsageWish::drop);
    std::string out;
    constexpr std::string_view event =
        "data: "
        "{\"choices\":[{\"text\":\"x\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}"
        "\n\n";
    ASSERT_TRUE(relay.feed(event, out));
    EXPECT_EQ(out, event);
    EXPECT_EQ(relay.usage()->completion_tokens, 2);
}

TEST(SseRelay, RefusesWhatIsNoJsonAndWhatHasNoEnd) {
    std::string out;
    EXPECT_EQ(SseRelay("m", UsageWish::drop).feed("data: {\"a\":\n\n", out).error().fault,
              core::Fault::invalid);
    const std::string endless(k_max_event_bytes + 1, 'x');
    EXPECT_EQ(SseRelay("m", UsageWish::drop).feed("data: " + endless, out).error().fault,
              core::Fault::too_large);
    EXPECT_EQ(out, "");
}

TEST(SseRelay, QuotesTheNameOfTheModel) {
    SseRelay relay("a\"b", UsageWish::drop);
    std::string out;
    ASSERT_TRUE(relay.feed("data: {\"model\":\"E\"}\n\n", out));
    EXPECT_EQ(out, "data: {\"model\":\"a\\\"b\"}\n\n");
}

TEST(Answer, HasItsModelReplacedAndItsUsageRead) {
    const auto answer = edit_answer(
        R"({"choices":[{"model":"E"}], "model" : "E","usage":{"completion_tokens":2,"prompt_tokens":9}})",
        "team/m");
    ASSERT_TRUE(answer);
    EXPECT_EQ(
        answer->body,
        R"({"choices":[{"model":"E"}], "model" : "team/m","usage":{"completion_tokens":2,"prompt_tokens":9}})");
    EXPECT_EQ(answer->usage, (Usage{.prompt_tokens = 9, .completion_tokens = 2}));
    EXPECT_FALSE(edit_answer("<html>", "m"));
    EXPECT_EQ(edit_answer("{}", "m")->usage, std::nullopt);
}

}  // namespace
}  // namespace sust::serve
