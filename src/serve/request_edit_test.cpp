#include "serve/request_edit.h"

#include <gtest/gtest.h>

namespace sust::serve {
namespace {

std::string edited(std::string_view body, std::string select = {}) {
    const auto facts = inspect_request(body);
    if (!facts) {
        return to_string(facts.error());
    }
    return edit_request(body, *facts,
                        {.name = "m", .engine_name = "E", .select_json = std::move(select)});
}

struct Case {
    const char* body;
    const char* select;
    const char* expected;
};

TEST(RequestEdit, ChangesThreeThingsAndNothingElse) {
    constexpr const char* k_lora = R"({"lora":[{"id":0,"scale":1}]})";
    for (const auto& [body, select, expected] : {
             Case{R"({"model":"m"})", "", R"({"model":"E"})"},
             Case{R"({ "x" : 1.0 , "model" : "m" , "y":[ ] })", "",
                  R"({ "x" : 1.0 , "model" : "E" , "y":[ ] })"},
             Case{R"({"model":"m","x":1})", k_lora,
                  R"({"model":"E","lora":[{"id":0,"scale":1}],"x":1})"},
             Case{R"({"model":"m"})", "{}", R"({"model":"E"})"},
             Case{R"({"model":"m","stream":false})", "", R"({"model":"E","stream":false})"},
             Case{R"({"model":"m","stream":null})", "", R"({"model":"E","stream":null})"},
             Case{R"({"stream":true,"model":"m"})", "",
                  R"({"stream":true,"model":"E","stream_options":{"include_usage":true}})"},
             Case{R"({"model":"m","stream":true,"stream_options":null})", "",
                  R"({"model":"E","stream":true,"stream_options":{"include_usage":true}})"},
             Case{R"({"model":"m","stream":true,"stream_options":{}})", "",
                  R"({"model":"E","stream":true,"stream_options":{"include_usage":true}})"},
             Case{R"({"model":"m","stream":true,"stream_options":{"a":1}})", "",
                  R"({"model":"E","stream":true,"stream_options":{"include_usage":true,"a":1}})"},
             Case{R"({"stream_options":{"include_usage":false},"model":"m","stream":true})", "",
                  R"({"stream_options":{"include_usage":true},"model":"E","stream":true})"},
             Case{R"({"stream_options":{"include_usage":true},"model":"m","stream":true})", "",
                  R"({"stream_options":{"include_usage":true},"model":"E","stream":true})"},
             Case{R"({"m\u006fdel":"m"})", "", R"({"m\u006fdel":"E"})"},
         }) {
        EXPECT_EQ(edited(body, select), expected);
    }
}

TEST(RequestEdit, ReadsTheModelAsItIsMeant) {
    EXPECT_EQ(inspect_request(R"({"model":"team\/a\u0062"})")->model, "team/ab");
}

TEST(RequestEdit, KnowsWhatTheClientAskedFor) {
    const auto facts =
        inspect_request(R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})");
    EXPECT_TRUE(facts->stream);
    EXPECT_EQ(facts->usage, UsageWish::pass);
    EXPECT_EQ(inspect_request(R"({"model":"m","stream":true})")->usage, UsageWish::drop);
}

TEST(RequestEdit, RefusesWhatCouldBeReadInTwoWays) {
    for (const auto* body :
         {R"({"model":"a","model":"b"})", R"({"model":"a","m\u006fdel":"b"})",
          R"({"model":"a","stream":true,"stream":false})",
          R"({"model":"a","stream_options":{"include_usage":true,"include_usage":false}})",
          R"({"model":"a","stream":"true"})", R"({"model":"a","stream":1})",
          R"({"model":"a","stream_options":[]})",
          R"({"model":"a","stream_options":{"include_usage":1}})", R"({"model":null})",
          R"({"model":["a"]})", R"({})"}) {
        const auto facts = inspect_request(body);
        ASSERT_FALSE(facts) << body;
        EXPECT_FALSE(facts.error().where.empty()) << body;
    }
}

TEST(RequestEdit, NamesAPrivateFieldHoweverItIsSpelled) {
    const std::vector<std::string> fields = {"lora", "id_slot"};
    for (const auto* body : {R"({"model":"m","lora":[]})", R"({"l\u006fra":[],"model":"m"})"}) {
        EXPECT_EQ(private_field(body, *inspect_request(body), fields), "lora");
    }
    constexpr std::string_view inner = R"({"model":"m","tools":[{"lora":1}]})";
    EXPECT_EQ(private_field(inner, *inspect_request(inner), fields), std::nullopt);
}

}  // namespace
}  // namespace sust::serve
