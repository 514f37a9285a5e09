#include "serve/openai.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sust::serve {
namespace {

using core::Fault;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json error_of(const ApiError& error) {
    const auto body = json::parse(error_body(error));
    EXPECT_EQ(body.size(), 1U);
    return body.at("error");
}

core::Error trouble(Fault fault, std::string message, std::string where = {}) {
    return {.fault = fault, .message = std::move(message), .where = std::move(where), .hint = {}};
}

TEST(Errors, HaveAllFourMembersAndNullForWhatIsNotKnown) {
    EXPECT_EQ(error_of({.type = "t", .code = "c", .param = "p", .message = "m"}),
              (json{{"message", "m"}, {"type", "t"}, {"param", "p"}, {"code", "c"}}));
    EXPECT_EQ(error_of({.type = "t", .code = {}, .param = {}, .message = {}}),
              (json{{"message", ""}, {"type", "t"}, {"param", nullptr}, {"code", nullptr}}));
}

TEST(Errors, AreJsonWhateverBytesAClientSent) {
    const auto error = error_of({.code = {}, .param = "\xff", .message = "a\"\n\xc3("});
    EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr("a\"\n\xef\xbf\xbd"));
    EXPECT_EQ(error.at("param"), "\xef\xbf\xbd");
}

TEST(Errors, OfAStreamAreOneEvent) {
    const auto event = error_event({.code = {}, .param = {}, .message = "a\n\ndata: [DONE]"});
    EXPECT_TRUE(event.starts_with("data: {"));
    EXPECT_EQ(event.find('\n'), event.size() - 2);
    EXPECT_TRUE(event.ends_with("}\n\n"));
}

TEST(Errors, HaveTheStatusTypeAndCodeOfTheProtocol) {
    struct Case {
        ApiError error;
        int status;
        std::string_view type;
        std::string_view code;
        int retry_after;
    };
    const std::string_view invalid = "invalid_request_error";
    const std::string_view server = "server_error";
    const auto garbage = trouble(Fault::invalid, "?");
    const Case cases[] = {
        {no_key(), 401, invalid, "missing_api_key", 0},
        {wrong_key(), 401, invalid, "invalid_api_key", 0},
        {denied("no"), 403, invalid, "insufficient_permissions", 0},
        {unknown_model("m", {}), 404, invalid, "model_not_found", 0},
        {no_such_path("GET", "/x"), 404, invalid, "unknown_url", 0},
        {wrong_method("POST"), 405, invalid, "method_not_allowed", 0},
        {private_parameter("lora"), 400, invalid, "unsupported_parameter", 0},
        {body_too_large(4 << 20), 413, invalid, "request_too_large", 0},
        {unreadable_http(trouble(Fault::invalid, "?")), 400, invalid, "invalid_http", 0},
        {unreadable_http(trouble(Fault::too_large, "?", "header")), 431, invalid, "invalid_http",
         0},
        {queue_full(2), 429, "rate_limit_error", "queue_full", 2},
        {no_replica("m", 5), 503, server, "no_replica", 5},
        {waited_too_long(30, 2), 503, server, "queue_timeout", 2},
        {engine_lost(false), 503, server, "engine_unreachable", 1},
        {engine_lost(true), 502, server, "engine_lost", 0},
        {engine_silent(), 504, server, "engine_timeout", 0},
        {engine_garbage(garbage), 502, server, "engine_protocol", 0},
        {usage_not_recorded(), 503, server, "ledger_full", 5},
        {stopping(), 503, server, "stopping", 1}};
    for (const auto& [error, status, type, code, retry_after] : cases) {
        EXPECT_EQ(error.status, status) << code;
        EXPECT_EQ(error.type, type) << code;
        EXPECT_EQ(error.code, code);
        EXPECT_EQ(error.retry_after, retry_after) << code;
        EXPECT_FALSE(error.message.empty()) << code;
    }
    EXPECT_EQ(wrong_method("GET, HEAD").allow, "GET, HEAD");
}

TEST(Errors, OfARequestSayTheByteOrTheParameter) {
    const auto json_error = invalid_request(trouble(Fault::invalid, "expected ':'", "byte 7"));
    EXPECT_EQ(json_error.status, 400);
    EXPECT_EQ(json_error.code, "invalid_json");
    EXPECT_EQ(json_error.message, "expected ':' at byte 7");
    EXPECT_EQ(json_error.param, "");
    const auto parameter = invalid_request(trouble(Fault::invalid, "not a string", "model"));
    EXPECT_EQ(parameter.code, "invalid_parameter");
    EXPECT_EQ(parameter.message, "not a string");
    EXPECT_EQ(parameter.param, "model");
}

TEST(Errors, OfAnUnknownModelListThoseThatThereAreUpToABound) {
    EXPECT_EQ(unknown_model("x", {"a", "b"}).message,
              "the model 'x' does not exist; there is: a, b");
    EXPECT_EQ(unknown_model("x", {}).message,
              "the model 'x' does not exist; no model is served to this key");
    EXPECT_EQ(unknown_model("x", {}).param, "model");
    std::vector<std::string> many;
    for (int i = 0; i < 21; ++i) {
        many.push_back("m" + std::to_string(i));
    }
    const auto cut = unknown_model("x", many).message;
    EXPECT_THAT(cut, HasSubstr("m19, ... (21 in all)"));
    EXPECT_THAT(cut, Not(HasSubstr("m20")));
    many.pop_back();
    EXPECT_TRUE(unknown_model("x", many).message.ends_with(", m19"));
}

TEST(Errors, RepeatNoMoreOfAClientsTextThanIsReadable) {
    const std::string huge(1 << 20, 'x');
    for (const auto& error :
         {unknown_model(huge, {}), no_such_path(huge, huge), private_parameter(huge),
          no_replica(huge, 1), from_engine(500, huge)}) {
        EXPECT_LT(error_body(error).size(), 1000U) << error.code;
    }
    EXPECT_THAT(unknown_model("a\nb\x1b[31m", {}).message, Not(HasSubstr("\n")));
}

// --- What an engine answered -----------------------------------------------------------------

TEST(EngineErrors, KeepWhatTheEngineSaid) {
    const auto error = from_engine(400, R"({"error": {"message": "too long", "type": "exceed",
        "code": "context_length", "param": "messages"}})");
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error_of(error), (json{{"message", "too long"},
                                     {"type", "exceed"},
                                     {"code", "context_length"},
                                     {"param", "messages"}}));
}

TEST(EngineErrors, AreUnderstoodInTheFormsThatEnginesHave) {
    const std::string_view forms[] = {R"({"error": {"code": 400, "message": "no"}})",
                                      R"({"error": "no"})", R"({"message": "no", "code": null})",
                                      R"("no")"};
    for (const auto form : forms) {
        const auto error = from_engine(400, form);
        EXPECT_EQ(error.message, "no") << form;
        EXPECT_EQ(error.code, "") << form;
        EXPECT_EQ(error.type, "invalid_request_error") << form;
    }
}

TEST(EngineErrors, ThatCannotBeReadAreQuoted) {
    for (const std::string_view body :
         {"<html>", "", "[1]", "{}", "7", R"({"error": {"message": 7}})", R"({"error": [)"}) {
        const auto error = from_engine(500, body);
        EXPECT_TRUE(error.message.starts_with("the engine answered 500: ")) << body;
        EXPECT_EQ(error.type, "server_error");
    }
    EXPECT_EQ(from_engine(502, "<html>").message, "the engine answered 502: <html>");
}

TEST(EngineErrors, HaveTheTypeThatTheStatusCallsFor) {
    const std::pair<int, std::string_view> types[] = {
        {400, "invalid_request_error"}, {401, "authentication_error"},
        {403, "authentication_error"},  {404, "invalid_request_error"},
        {429, "rate_limit_error"},      {500, "server_error"},
        {501, "not_supported_error"},   {503, "server_error"}};
    for (const auto& [status, type] : types) {
        EXPECT_EQ(from_engine(status, "no").type, type) << status;
        EXPECT_EQ(from_engine(status, "no").status, status);
    }
}

// --- Models ----------------------------------------------------------------------------------

TEST(Models, AreListedInOpenAisForm) {
    const auto list = json::parse(models_body({{"a", 7}, {"team/b", 8}}));
    EXPECT_EQ(list.at("object"), "list");
    ASSERT_EQ(list.at("data").size(), 2U);
    EXPECT_EQ(list.at("data").at(1), json::parse(model_body({"team/b", 8})));
    EXPECT_EQ(list.at("data").at(0).at("id"), "a");
    EXPECT_EQ(list.at("data").at(0).at("object"), "model");
    EXPECT_EQ(list.at("data").at(0).at("created"), 7);
    EXPECT_TRUE(list.at("data").at(0).at("owned_by").is_string());
    EXPECT_EQ(json::parse(models_body({})).at("data"), json::array());
}

}  // namespace
}  // namespace sust::serve
