#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/test_world.h"

namespace sust::control {
namespace {

using core::http::error_of;
using nlohmann::json;
using test::World;
using testing::HasSubstr;
using testing::StartsWith;

class KeysTest : public testing::Test {
  protected:
    json fleet(const std::string& query) {
        return world_.json_of(world_.get("/api/v1/fleet?" + query), 200);
    }
    World world_;
};

TEST_F(KeysTest, TheSecretIsAnsweredOnceAndKeptNowhere) {
    const auto made = world_.json_of(
        world_.post("/api/v1/keys", {{"name", "alice"}, {"models", {"tiny"}}}, "again"), 201);
    const auto secret = made["key"].get<std::string>();
    EXPECT_THAT(secret, StartsWith("sust_"));
    EXPECT_EQ(world_.post("/api/v1/keys", {{"name", "alice"}}, "again").status, 409);
    const auto list = world_.get("/api/v1/keys").body;
    EXPECT_THAT(list, HasSubstr("alice"));
    EXPECT_THAT(list, testing::Not(HasSubstr(secret)));
    EXPECT_THAT(list, testing::Not(HasSubstr("hmac")));
    for (const char* file : {"sust.db", "sust.db-wal"}) {
        const auto bytes = core::read_file_if_any(world_.places.data / file, 64 << 20).value();
        EXPECT_THAT(bytes.value_or(""), testing::Not(HasSubstr(secret)));
    }
}

TEST_F(KeysTest, RequestsAreRead) {
    for (const json& body :
         {json{{"models", {"tiny"}}}, json{{"name", "a/b"}},
          json{{"name", "x"}, {"scopes", {"root"}}}, json{{"name", "x"}, {"models", {"../etc"}}},
          json{{"name", "x"}, {"model", "tiny"}}}) {
        EXPECT_EQ(world_.post("/api/v1/keys", body).status, 400) << body;
    }
    EXPECT_EQ(world_.remove("/api/v1/keys/nobody").status, 404);
}

TEST_F(KeysTest, ARevokedKeyLeavesTheMapAndItsNameIsFree) {
    const auto made = world_.json_of(world_.post("/api/v1/keys", {{"name", "alice"}}), 201);
    EXPECT_EQ(fleet("after=0&wait=0")["keys"].size(), 1U);
    EXPECT_EQ(world_.json_of(world_.get("/api/v1/keys"), 200)["items"][0]["state"], "active");
    EXPECT_EQ(world_.json_of(world_.remove("/api/v1/keys/alice"), 200)["state"], "revoked");
    EXPECT_TRUE(fleet("after=0&wait=0")["keys"].empty());
    EXPECT_EQ(world_.remove("/api/v1/keys/" + made["id"].get<std::string>()).status, 200);
    EXPECT_EQ(world_.post("/api/v1/keys", {{"name", "alice"}}).status, 201);
}

TEST_F(KeysTest, AGatewayThatWaitsIsToldAtOnce) {
    const auto version = fleet("after=0&wait=0")["version"].get<std::uint64_t>();
    const auto target = "/api/v1/fleet?gateway=gw-1&wait=60&after=" + std::to_string(version);
    core::http::Response told;
    std::thread waiting([&] { told = world_.get(target); });
    // The question is there once its acknowledgement is.
    EXPECT_TRUE(test::soon(
        [&] { return !world_.json_of(world_.get("/api/v1/status"), 200)["gateways"].empty(); }));
    EXPECT_EQ(world_.post("/api/v1/keys", {{"name", "alice"}}).status, 201);
    waiting.join();
    const auto map = world_.json_of(told, 200);
    EXPECT_GT(map["version"].get<std::uint64_t>(), version);
    EXPECT_EQ(map["keys"].size(), 1U);
}

TEST_F(KeysTest, WithoutAChangeAGatewayGets204) {
    const auto version = fleet("after=0&wait=0")["version"].get<std::uint64_t>();
    EXPECT_EQ(world_.get("/api/v1/fleet?wait=0&after=" + std::to_string(version)).status, 204);
    // One that knows a later map has followed another database.
    EXPECT_EQ(world_.get("/api/v1/fleet?wait=60&after=" + std::to_string(version + 1000)).status,
              200);
    EXPECT_EQ(world_.get("/api/v1/fleet?wait=1000").status, 400);
}

TEST_F(KeysTest, UsageComesFromTheLedger) {
    const auto made = world_.json_of(world_.post("/api/v1/keys", {{"name", "alice"}}), 201);
    ASSERT_TRUE(core::make_directories(world_.places.ledger()));
    ASSERT_TRUE(core::append_file(world_.places.ledger() / "gw-2026-01-01.jsonl",
                                  json{{"ts", "2026-01-01T00:00:00.000Z"},
                                       {"key", made["id"]},
                                       {"prompt_tokens", 12},
                                       {"completion_tokens", 34}}
                                          .dump() +
                                      "\n"));
    const auto list = world_.json_of(world_.get("/api/v1/keys"), 200);
    EXPECT_EQ(list["items"][0]["usage"]["requests"], 1);
    EXPECT_EQ(list["items"][0]["usage"]["completion_tokens"], 34);
}

TEST_F(KeysTest, KeysAndTheVersionOutliveTheProgram) {
    world_.json_of(world_.post("/api/v1/keys", {{"name", "alice"}}), 201);
    const auto before = fleet("after=0&wait=0");
    world_.restart();
    const auto after = fleet("after=0&wait=0");
    EXPECT_EQ(after["keys"], before["keys"]);
    EXPECT_GE(after["version"].get<std::uint64_t>(), before["version"].get<std::uint64_t>());
}

}  // namespace
}  // namespace sust::control
