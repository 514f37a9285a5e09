#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/limits.h"
#include "serve/test_wire.h"
#include "serve/wire.h"

namespace sust::serve {
namespace {

using core::Fault;
using State = RequestReader::State;
using testing::HasSubstr;

// --- An answer -------------------------------------------------------------------------------

TEST(Answers, AreTheSameWhereverTheirBytesAreCut) {
    const std::string_view forms[] = {
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Length: "
        "11\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"};
    for (const auto form : forms) {
        for (const auto& pieces : ways_to_come(form)) {
            ResponseReader reader;
            const auto left = receive(reader, pieces);
            ASSERT_TRUE(left) << sizes(pieces) << core::to_string(left.error());
            ASSERT_TRUE(reader.done()) << sizes(pieces);
            EXPECT_EQ(reader.head().status, 200);
            EXPECT_TRUE(reader.head().event_stream);
            EXPECT_TRUE(reader.head().keep_alive);
            EXPECT_EQ(reader.body(), "hello world");
            EXPECT_TRUE(reader.feed_end());
        }
    }
}

TEST(Answers, GiveWhatHasComeOfABody) {
    ResponseReader reader;
    ASSERT_TRUE(receive(reader, {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab"}));
    EXPECT_TRUE(reader.has_head());
    EXPECT_FALSE(reader.head().event_stream);
    EXPECT_EQ(reader.body(), "ab");
    reader.body().clear();
    ASSERT_TRUE(receive(reader, {"cd"}));
    EXPECT_EQ(reader.body(), "cd");
    EXPECT_FALSE(reader.done());
}

TEST(Answers, WithoutALengthEndWithTheConnection) {
    ResponseReader reader;
    ASSERT_TRUE(receive(reader, {"HTTP/1.1 200 OK\r\n\r\nhel", "lo"}));
    EXPECT_FALSE(reader.done());
    EXPECT_FALSE(reader.head().keep_alive);
    ASSERT_TRUE(reader.feed_end());
    EXPECT_TRUE(reader.done());
    EXPECT_EQ(reader.body(), "hello");
}

TEST(Answers, ThatEndTooEarlyAreUnavailable) {
    const std::string_view cut_off[] = {
        "", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nA: b\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"};
    for (const auto bytes : cut_off) {
        ResponseReader reader;
        ASSERT_TRUE(receive(reader, {bytes}));
        const auto end = reader.feed_end();
        ASSERT_FALSE(end) << bytes;
        EXPECT_EQ(end.error().fault, Fault::unavailable);
    }
}

TEST(Answers, WithoutABodyAreDoneWithTheirHead) {
    ResponseReader reader;
    for (const std::string_view status : {"204 No Content", "304 Not Modified"}) {
        reader.reset();
        EXPECT_FALSE(reader.has_head());
        ASSERT_TRUE(receive(reader, {"HTTP/1.1 " + std::string(status) + "\r\n\r\n"}));
        EXPECT_TRUE(reader.done());
    }
    EXPECT_EQ(reader.head().status, 304);
}

TEST(Answers, ThatAreNotHttpOrTooLongAreRefused) {
    ResponseReader reader;
    const auto garbage = receive(reader, {"SSH-2.0-OpenSSH\r\n\r\n"});
    ASSERT_FALSE(garbage);
    EXPECT_EQ(garbage.error().fault, Fault::invalid);
    std::string head = "HTTP/1.1 200 OK\r\n";
    while (head.size() <= k_max_header_bytes) {
        head += "A: b\r\n";
    }
    for (const std::size_t size : {7, 4096}) {
        reader.reset();
        const auto huge = receive(reader, in_pieces_of(size, head));
        ASSERT_FALSE(huge) << "in pieces of " << size;
        EXPECT_EQ(huge.error().fault, Fault::too_large);
    }
}

// --- What is written -------------------------------------------------------------------------

TEST(Heads, OfAnswersSayWhatTheyAreGiven) {
    std::string plain;
    append_head(plain, {.request_id = "req-1", .length = 5});
    EXPECT_EQ(plain,
              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
              "X-Request-Id: req-1\r\nConnection: keep-alive\r\n\r\n");
    std::string busy;
    append_head(busy, {.status = 429, .retry_after = 2, .keep_alive = false});
    EXPECT_THAT(busy, HasSubstr("HTTP/1.1 429 Too Many Requests\r\n"));
    EXPECT_THAT(busy, HasSubstr("\r\nRetry-After: 2\r\n"));
    EXPECT_THAT(busy, HasSubstr("\r\nConnection: close\r\n\r\n"));
    std::string method;
    append_head(method, {.status = 405, .allow = "POST"});
    EXPECT_THAT(method, HasSubstr("\r\nAllow: POST\r\n"));
    std::string key;
    append_head(key, {.status = 401});
    EXPECT_THAT(key, HasSubstr("\r\nWWW-Authenticate: Bearer realm=\"sust\"\r\n"));
}

TEST(Heads, OfAnswersAreReadBackWithEachFraming) {
    const std::pair<Framing, std::string> forms[] = {{Framing::length, "hello"},
                                                     {Framing::chunked, "5\r\nhello\r\n0\r\n\r\n"},
                                                     {Framing::until_close, "hello"}};
    for (const auto& [framing, body] : forms) {
        std::string out;
        append_head(out, {.content_type = "text/event-stream",
                          .keep_alive = framing != Framing::until_close,
                          .framing = framing,
                          .length = 5});
        ResponseReader reader;
        ASSERT_TRUE(receive(reader, {out, body}));
        ASSERT_TRUE(reader.feed_end());
        EXPECT_EQ(reader.body(), "hello");
        EXPECT_TRUE(reader.head().event_stream);
        EXPECT_EQ(reader.head().keep_alive, framing != Framing::until_close);
    }
}

TEST(Chunks, SayTheirSizeAndAnEmptyOneIsNotTheLast) {
    std::string out;
    append_chunk(out, "");
    EXPECT_EQ(out, "");
    append_chunk(out, std::string(31, 'x'));
    EXPECT_EQ(out, "1f\r\n" + std::string(31, 'x') + "\r\n");
}

TEST(EngineRequests, AreReadBackAsTheyWereMeant) {
    RequestReader reader;
    reader.reset(k_max_body);
    const auto bytes = engine_request("POST", "/v1/completions", "req-1", "{}");
    EXPECT_THAT(bytes, HasSubstr("\r\nX-Request-Id: req-1\r\n"));
    EXPECT_EQ(receive(reader, {bytes}).value(), "");
    EXPECT_EQ(reader.state(), State::done);
    EXPECT_EQ(reader.head().target, "/v1/completions");
    EXPECT_TRUE(reader.head().keep_alive);
    EXPECT_EQ(reader.body(), "{}");
    EXPECT_EQ(reader.head().authorization, "") << "the key stays here";

    reader.reset(k_max_body);
    EXPECT_EQ(receive(reader, {engine_request("GET", "/props", "req-2", "")}).value(), "");
    EXPECT_EQ(reader.state(), State::done);
}

}  // namespace
}  // namespace sust::serve
