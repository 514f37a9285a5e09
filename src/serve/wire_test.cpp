#include "serve/wire.h"

#include <gtest/gtest.h>

#include "serve/limits.h"
#include "serve/test_wire.h"

namespace sust::serve {
namespace {

using core::Fault;
using State = RequestReader::State;

std::string post(std::string_view fields, std::string_view body = {}) {
    return "POST /v1/x HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

RequestHead head_of(std::string_view bytes) {
    RequestReader reader;
    reader.reset(k_max_body);
    const auto fed = reader.feed(bytes);
    EXPECT_TRUE(fed) << bytes;
    EXPECT_NE(reader.state(), State::head) << bytes;
    return reader.head();
}

// --- A request -------------------------------------------------------------------------------

TEST(Requests, AreTheSameWhereverTheirBytesAreCut) {
    const std::string forms[] = {
        post("Authorization: Bearer k\r\nContent-Length: 11\r\n", "hello world"),
        post("Authorization: Bearer k\r\nTransfer-Encoding: chunked\r\n",
             "1\r\nh\r\n4;ext=\"v\"\r\nello\r\n006\r\n world\r\n0\r\nTrailer: x\r\n\r\n")};
    for (const auto& form : forms) {
        for (const auto& pieces : ways_to_come(form)) {
            RequestReader reader;
            reader.reset(k_max_body);
            const auto left = receive(reader, pieces);
            ASSERT_TRUE(left) << sizes(pieces) << ": " << core::to_string(left.error());
            ASSERT_EQ(reader.state(), State::done) << sizes(pieces);
            EXPECT_EQ(*left, "");
            EXPECT_EQ(reader.head().method, "POST");
            EXPECT_EQ(reader.head().target, "/v1/x");
            EXPECT_EQ(reader.head().authorization, "Bearer k");
            EXPECT_EQ(reader.body(), "hello world") << sizes(pieces);
        }
    }
}

TEST(Requests, AreReadToTheEndOfTheHeadFirst) {
    const auto head = post("Content-Length: 3\r\n");
    RequestReader reader;
    reader.reset(k_max_body);
    EXPECT_EQ(reader.state(), State::head);
    EXPECT_EQ(reader.feed(head + "abcGET").value(), head.size());
    EXPECT_EQ(reader.state(), State::body);
    EXPECT_EQ(reader.feed("abcGET").value(), 3U);
    EXPECT_EQ(reader.state(), State::done);
    EXPECT_EQ(reader.take_body(), "abc");
}

TEST(Requests, ThatFollowEachOtherAreReadOneByOne) {
    const std::string bytes = post("Content-Length: 1\r\n", "a") +
                              post("Transfer-Encoding: chunked\r\n", "1\r\nb\r\n0\r\n\r\n") +
                              "GET /c HTTP/1.1\r\n\r\n";
    for (const std::size_t size : {std::size_t{1}, std::size_t{7}, bytes.size()}) {
        RequestReader reader;
        reader.reset(k_max_body);
        std::string held;
        std::string bodies;
        for (std::size_t at = 0; at < bytes.size() || !held.empty();) {
            const auto used = reader.feed(held).value();
            held.erase(0, used);
            if (reader.state() == State::done) {
                bodies += reader.body() + ';';
                reader.reset(k_max_body);
                EXPECT_EQ(reader.head().method, "") << "nothing is left of the one before";
            } else if (used == 0) {
                ASSERT_LT(at, bytes.size());
                held += bytes.substr(at, size);
                at += size;
            }
        }
        EXPECT_EQ(bodies, "a;b;;") << "in pieces of " << size;
    }
}

TEST(Requests, KeepTheConnectionAsTheirVersionAndTheClientSay) {
    EXPECT_TRUE(head_of("GET / HTTP/1.1\r\n\r\n").keep_alive);
    EXPECT_FALSE(head_of("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").keep_alive);
    EXPECT_FALSE(head_of("GET / HTTP/1.0\r\n\r\n").keep_alive);
    EXPECT_TRUE(head_of("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
    EXPECT_TRUE(head_of("GET / HTTP/1.0\r\n\r\n").http_1_0);
    EXPECT_FALSE(head_of("GET / HTTP/1.1\r\n\r\n").http_1_0);
}

TEST(Requests, SayWhetherTheyWaitForAContinue) {
    EXPECT_TRUE(head_of(post("Expect: 100-Continue\r\nContent-Length: 1\r\n")).expects_continue);
    EXPECT_FALSE(head_of(post("Content-Length: 1\r\n")).expects_continue);
}

TEST(Requests, ThatAreNotHttpAreRefused) {
    const std::string_view not_http[] = {"GET /\r\n\r\n",
                                         "GET / HTTP/2.0\r\n\r\n",
                                         "GET / HTTP/0.9\r\n\r\n",
                                         "GET  / HTTP/1.1\r\n\r\n",
                                         " GET / HTTP/1.1\r\n\r\n",
                                         "\r\nGET / HTTP/1.1\r\n\r\n",
                                         "G\x01T / HTTP/1.1\r\n\r\n",
                                         "GET /a b HTTP/1.1\r\n\r\n",
                                         "GET / HTTP/1.1\nHost: h\n\n\r\n\r\n",
                                         "GET / HTTP/1.1\r\n: x\r\n\r\n",
                                         "GET / HTTP/1.1\r\nNo colon\r\n\r\n",
                                         "GET / HTTP/1.1\r\nA : b\r\n\r\n",
                                         "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n",
                                         "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
                                         "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"};
    for (const auto bytes : not_http) {
        for (const auto& pieces : ways_to_come(bytes)) {
            RequestReader reader;
            reader.reset(k_max_body);
            const auto fed = receive(reader, pieces);
            ASSERT_FALSE(fed) << bytes << ' ' << sizes(pieces);
            EXPECT_EQ(fed.error().fault, Fault::invalid);
        }
    }
}

TEST(Requests, WithTwoReadingsAreRefusedWhereverTheyAreCut) {
    const std::string_view fields[] = {
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5,6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "A: b\r\n\tTransfer-Encoding: chunked\r\n",
        "A: b\r\n c\r\nContent-Length: 5\r\n",
        " A: b\r\n",
        "Authorization: a\r\nAuthorization: a\r\n",
        "Authorization:\r\nAuthorization: a\r\n"};
    for (const auto field : fields) {
        const auto bytes = post(field, "0\r\n\r\n");
        for (const auto& pieces : ways_to_come(bytes)) {
            RequestReader reader;
            reader.reset(k_max_body);
            const auto fed = receive(reader, pieces);
            ASSERT_FALSE(fed) << field << sizes(pieces);
            EXPECT_EQ(fed.error().fault, Fault::invalid);
        }
    }
    RequestReader old;
    EXPECT_FALSE(old.feed("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
}

TEST(Requests, WithDamagedChunksAreRefused) {
    const std::string_view bodies[] = {
        "x\r\n",       "\r\n\r\n",          "0x1\r\na\r\n\r\n", "-1\r\na\r\n",
        "1\r\nab\r\n", "1\r\na\n0\r\n\r\n", "1 2\r\na\r\n",     "10000000000000000\r\n"};
    for (const auto body : bodies) {
        const auto bytes = post("Transfer-Encoding: chunked\r\n", std::string(body) + "0\r\n\r\n");
        for (const auto& pieces : ways_to_come(bytes)) {
            RequestReader reader;
            reader.reset(k_max_body);
            const auto fed = receive(reader, pieces);
            ASSERT_FALSE(fed) << body << sizes(pieces);
            EXPECT_EQ(fed.error().fault, Fault::invalid);
        }
    }
}

// --- Limits ----------------------------------------------------------------------------------

std::string head_of_size(std::size_t size, std::size_t field = 100) {
    std::string head = "GET / HTTP/1.1\r\n";
    while (head.size() + 2 < size) {
        const auto room = size - 2 - head.size();
        const auto line = room < 2 * field ? room : field;
        head += "F:" + std::string(line - 4, 'x') + "\r\n";
    }
    return head + "\r\n";
}

TEST(Heads, MayBeAsLongAsTheLimitAndNotOneByteLonger) {
    for (const std::size_t field : {std::size_t{5}, std::size_t{100}, k_max_header_bytes}) {
        for (const std::size_t size : {1, 2, 3, 100, 4096, 1 << 20}) {
            const auto fits = head_of_size(k_max_header_bytes, field);
            ASSERT_EQ(fits.size(), k_max_header_bytes);
            RequestReader reader;
            reader.reset(k_max_body);
            EXPECT_TRUE(receive(reader, in_pieces_of(size, fits)));
            EXPECT_EQ(reader.state(), State::done);
            const auto over = head_of_size(k_max_header_bytes + 1, field);
            reader.reset(k_max_body);
            const auto refused = receive(reader, in_pieces_of(size, over));
            ASSERT_FALSE(refused) << "in pieces of " << size;
            EXPECT_EQ(refused.error().fault, Fault::too_large);
            EXPECT_EQ(refused.error().where, "header");
        }
    }
}

// How many bytes are taken of a repetition without end; 0 if it was not refused.
std::size_t taken_of_endless(const std::string& begin, const std::string& again) {
    RequestReader reader;
    reader.reset(k_max_body);
    std::string held = begin;
    std::size_t fed = 0;
    while (fed < 64 * k_max_header_bytes) {
        const auto used = reader.feed(held);
        if (!used) {
            EXPECT_EQ(used.error().fault, Fault::too_large);
            EXPECT_EQ(used.error().where, "header");
            return fed;
        }
        held.erase(0, *used);
        if (*used == 0 || held.empty()) {
            held += again;
            fed += again.size();
        }
    }
    return 0;
}

TEST(Heads, ThatDoNotEndAreRefusedOnceTheyAreTooLong) {
    for (const std::string again : {"x", "A: b\r\n", "A: b\r\nA", "A: b\r\nA:", "b\r\nA: "}) {
        const auto taken = taken_of_endless("GET / HTTP/1.1\r\nA: ", again);
        EXPECT_GT(taken, 0U) << again;
        EXPECT_LE(taken, k_max_header_bytes + again.size()) << again;
    }
}

TEST(Bodies, DoNotHideEndlessLinesBetweenTheirChunks) {
    for (const std::string begin : {"1;a=", "0;a=", "0\r\nTrailer: ", "1\r\nx\r\n"}) {
        const auto taken = taken_of_endless(post("Transfer-Encoding: chunked\r\n", begin),
                                            begin == "1\r\nx\r\n" ? "0" : "x");
        EXPECT_GT(taken, 0U) << begin;
        EXPECT_LE(taken, k_max_header_bytes + 2) << begin;
    }
}

TEST(Bodies, MayBeAsLongAsTheLimitAndNotOneByteLonger) {
    const auto chunk = [](std::size_t size) {
        std::string out;
        append_chunk(out, std::string(size, 'x'));
        return out;
    };
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    const std::pair<std::string, bool> cases[] = {
        {post("Content-Length: 100\r\n", std::string(100, 'x')), true},
        {post("Content-Length: 101\r\n"), false},
        {post("Content-Length: 18446744073709551615\r\n"), false},
        {post(chunked, chunk(60) + chunk(40) + std::string(k_last_chunk)), true},
        {post(chunked, chunk(60) + "29\r\n"), false},
        {post(chunked, "ffffffffffffffff\r\n"), false}};
    for (const auto& [bytes, fits] : cases) {
        for (const auto& pieces : ways_to_come(bytes)) {
            RequestReader reader;
            reader.reset(k_max_body);
            const auto fed = receive(reader, pieces);
            ASSERT_EQ(fed.has_value(), fits) << bytes << sizes(pieces);
            if (!fits) {
                EXPECT_EQ(fed.error().fault, Fault::too_large);
                EXPECT_EQ(fed.error().where, "body");
                EXPECT_LE(reader.body().size(), k_max_body);
            }
        }
    }
}

}  // namespace
}  // namespace sust::serve
