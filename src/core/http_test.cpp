#include "core/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/http_events.h"

namespace sust::core::http {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(Headers, CompareNamesWithoutCase) {
    Headers headers{{"Content-Type", "text/plain"}};
    headers.set("content-type", "application/json");
    EXPECT_EQ(headers.get("CONTENT-TYPE"), "application/json");
    EXPECT_EQ(headers.items().size(), 1U);
    headers.remove("Content-type");
    EXPECT_FALSE(headers.get("content-type"));
}

TEST(Target, IsSplitBeforeItIsDecoded) {
    const auto target = parse_target("/api/v1/models/a%2Fb?limit=3&q=x%20y+z&flag").value();
    EXPECT_THAT(target.path, ElementsAre("api", "v1", "models", "a/b"));
    EXPECT_THAT(target.query,
                UnorderedElementsAre(Pair("limit", "3"), Pair("q", "x y z"), Pair("flag", "")));
    EXPECT_TRUE(parse_target("/").value().path.empty());
}

TEST(Target, BadOnesAreRefused) {
    for (const char* text :
         {"", "x", "http://host/x", "/%zz", "/%0a", "/a?b=%00", "/a?b=1&b=2", "/%ff", "*"}) {
        EXPECT_FALSE(parse_target(text)) << text;
    }
    EXPECT_EQ(parse_target("/" + std::string(9000, 'a')).error().fault, Fault::too_large);
}

TEST(Errors, GoThroughAResponseUnchanged) {
    const Error error{Fault::conflict, "in use \"by\" \xc3\xa4", "model 'x'", "stop it"};
    const auto response = error_response(error, "req-1");
    EXPECT_EQ(response.status, 409);
    EXPECT_EQ(error_of(response), error);
}

TEST(Errors, OfStrangersKeepTheirStatusAndText) {
    const auto error = error_of({.status = 503, .headers = {}, .body = "<html>\x01"});
    EXPECT_EQ(error.fault, Fault::unavailable);
    EXPECT_THAT(error.message, testing::HasSubstr("<html>"));
    EXPECT_EQ(error_of({.status = 404, .headers = {}, .body = R"({"error":"gone"})"}).message,
              "gone");
    EXPECT_EQ(error_of({.status = 404, .headers = {}, .body = R"({"error":{"message":3}})"}).fault,
              Fault::not_found);
}

std::vector<std::string> events_of(std::string_view text, std::size_t step) {
    EventParser parser;
    std::vector<std::string> seen;
    for (std::size_t i = 0; i < text.size(); i += step) {
        EXPECT_TRUE(parser.feed(text.substr(i, step), [&](const Event& event) {
            seen.push_back(event.event + "|" + event.data);
        }));
    }
    return seen;
}

TEST(EventParser, GivesTheSameEventsHoweverTheTextIsCut) {
    constexpr std::string_view k_text =
        ": comment\nevent: state\ndata: a\r\ndata:b\r\n\r\ndata:  c\r\rid: 3\nretry: 1\n\n"
        "event:\ndata\n\ndata: unfinished";
    for (std::size_t step = 1; step <= k_text.size(); ++step) {
        EXPECT_THAT(events_of(k_text, step), ElementsAre("state|a\nb", "message| c", "message|"));
    }
}

TEST(EventParser, ReadsWhatEncodeWrites) {
    EXPECT_THAT(events_of(encode(Event{"stage", "{\"a\":1}\nb"}) + encode(Event{}), 7),
                ElementsAre("stage|{\"a\":1}\nb", "message|"));
}

TEST(EventParser, StopsAtAnEventOverItsLimit) {
    EventParser parser;
    const std::string piece(300 << 10, 'x');
    const auto ignore = [](const Event&) {};
    EXPECT_TRUE(parser.feed("data: " + piece, ignore));
    EXPECT_TRUE(parser.feed(piece, ignore));
    EXPECT_TRUE(parser.feed(piece, ignore));
    EXPECT_FALSE(parser.feed(piece, ignore));
}

}  // namespace
}  // namespace sust::core::http
