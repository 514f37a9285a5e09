#include "control/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/principal.h"
#include "control/test_world.h"
#include "core/hash.h"
#include "core/text.h"

namespace sust::control {
namespace {

using core::http::error_of;
using nlohmann::json;
using test::World;
using testing::HasSubstr;

TEST(Principal, OnlyTheOwnerAndRootMayAsk) {
    EXPECT_TRUE(authenticate({.uid = 1000, .pid = 1}, 1000));
    EXPECT_TRUE(authenticate({.uid = 0, .pid = 1}, 1000));
    EXPECT_EQ(authenticate({.uid = 1001, .pid = 1}, 1000).error().fault, Fault::denied);
    EXPECT_EQ(authenticate({}, 1000).error().fault, Fault::denied);
}

class ApiTest : public testing::Test {
  protected:
    World world_;
};

TEST_F(ApiTest, SaysWhatRunsHere) {
    EXPECT_EQ(world_.get("/healthz").body, R"({"status":"ok"})");
    const auto status = world_.json_of(world_.get("/api/v1/status"), 200);
    EXPECT_EQ(status["version"], "test");
    EXPECT_EQ(status["pid"], ::getpid());
    EXPECT_TRUE(status["services"].empty());
}

TEST_F(ApiTest, AddressesAndMethodsThatAreNotThere) {
    EXPECT_EQ(world_.get("/api/v1/nothing").status, 404);
    const auto wrong = world_.ask({.method = "PATCH", .target = "/api/v1/status"});
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.headers.get("Allow"), "GET");
    EXPECT_EQ(world_.get("/api/v1/models?limt=3").status, 400);
    EXPECT_EQ(world_.get("/api/v1/models?limit=0").status, 400);
    EXPECT_EQ(world_.get("/api/v1/models?limit=x").status, 400);
}

TEST_F(ApiTest, ABlobIsKeptUnderItsDigestOnly) {
    const auto file = world_.upload("some bytes", "f");
    const auto target = "/api/v1/blobs/" + file["digest"].get<std::string>();
    EXPECT_EQ(world_.get(target).body, "some bytes");
    EXPECT_EQ(world_.ask({.method = "HEAD", .target = target}).status, 200);

    const auto other = "/api/v1/blobs/sha256:" + core::sha256_hex("other");
    const auto refused = world_.ask({.method = "PUT", .target = other, .body = "some bytes"});
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(world_.get(other).status, 404);
    EXPECT_EQ(world_.ask({.method = "PUT", .target = "/api/v1/blobs/x", .body = "y"}).status, 400);
    EXPECT_EQ(world_.ask({.method = "PUT", .target = "/api/v1/blobs/..%2Fx", .body = "y"}).status,
              400);
    world_.upload("", "empty");
}

TEST_F(ApiTest, ALargeBlobIsStreamed) {
    const std::string bytes(40 << 20, 'b');
    const auto file = world_.folder.path() / "big";
    ASSERT_TRUE(core::write_file(file, bytes));
    core::http::Client client(world_.clock, core::http::UnixAddress{world_.socket()});
    const auto target = "/api/v1/blobs/sha256:" + core::sha256_hex(bytes);
    const auto put =
        client.upload({.method = "PUT", .target = target}, file, std::chrono::seconds(60));
    ASSERT_TRUE(put) << core::to_string(put.error());
    EXPECT_EQ(put->status, 201) << put->body;
    EXPECT_EQ(world_.get(target).body.size(), bytes.size());
}

TEST_F(ApiTest, ADatasetIsCheckedAgainAndKept) {
    world_.add_dataset("tickets", 7);
    const auto shown = world_.json_of(world_.get("/api/v1/datasets/tickets"), 200);
    EXPECT_EQ(shown["format"], "chat");
    EXPECT_EQ(shown["lines"], 7);
    EXPECT_EQ(shown["files"][0]["path"], "train.jsonl");
    const auto list = world_.json_of(world_.get("/api/v1/datasets"), 200);
    EXPECT_EQ(list["items"].size(), 1U);
    EXPECT_EQ(list["items"][0]["lines"], 7);
    EXPECT_EQ(world_.remove("/api/v1/datasets/tickets").status, 200);
    EXPECT_EQ(world_.get("/api/v1/datasets/tickets").status, 404);
}

TEST_F(ApiTest, BadDataIsRefusedByLineAndLeavesNoName) {
    const auto file = world_.upload("{\"messages\":[]}\nnot json\n", "train.jsonl");
    const auto refused = world_.post("/api/v1/datasets", {{"name", "bad"}, {"files", {file}}});
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(refused.body, HasSubstr("2"));
    EXPECT_EQ(world_.get("/api/v1/datasets/bad").status, 404);
}

TEST_F(ApiTest, DatasetRequestsAreRead) {
    const auto file = world_.upload("{}", "train.jsonl");
    const json bad[] = {
        {{"files", {file}}},
        {{"name", "../x"}, {"files", {file}}},
        {{"name", std::string(10'000, 'x')}, {"files", {file}}},
        {{"name", "x"}},
        {{"name", "x"}, {"files", json::array()}},
        {{"name", "x"}, {"files", {{{"path", "train.jsonl"}, {"digest", "sha256:0"}}}}},
        {{"name", "x"}, {"files", {file}}, {"fromat", "chat"}},
        {{"name", "x"}, {"files", {file}}, {"format", "prose"}},
    };
    for (const auto& body : bad) {
        EXPECT_EQ(world_.post("/api/v1/datasets", body).status, 400) << body.dump().substr(0, 200);
    }
    const json absent = {{"path", "train.jsonl"}, {"digest", "sha256:" + std::string(64, '0')}};
    const auto missing = world_.post("/api/v1/datasets", {{"name", "x"}, {"files", {absent}}});
    EXPECT_EQ(missing.status, 404);
    EXPECT_THAT(error_of(missing).hint, HasSubstr("PUT /api/v1/blobs/"));
    const auto malformed =
        world_.ask({.method = "POST", .target = "/api/v1/datasets", .body = "{\"name\":"});
    EXPECT_EQ(malformed.status, 400);
    EXPECT_THAT(error_of(malformed).message, HasSubstr("line 1"));
}

TEST_F(ApiTest, AModelIsShownWithFilesAndLineage) {
    world_.add_model("family/tiny");
    const auto shown = world_.json_of(world_.get("/api/v1/models/family%2Ftiny"), 200);
    EXPECT_EQ(shown["kind"], "model");
    EXPECT_EQ(shown["files"].size(), 3U);
    const auto lineage = world_.get("/api/v1/models/family%2Ftiny/lineage");
    EXPECT_EQ(lineage.status, 200) << lineage.body;
    EXPECT_EQ(world_.get("/api/v1/models/family/tiny").status, 404);
    EXPECT_EQ(world_.get("/api/v1/datasets/tiny").status, 404);
}

TEST_F(ApiTest, ANameIsNotTakenOverUnasked) {
    world_.add_model("tiny");
    const auto gguf = std::string("GGUF\3\0\0\0", 8) + std::string(16, '\0');
    const json other = {{"name", "tiny"}, {"files", {world_.upload(gguf, "model.gguf")}}};
    EXPECT_EQ(world_.post("/api/v1/models", other).status, 409);
    auto replacing = other;
    replacing["replace"] = true;
    EXPECT_EQ(world_.post("/api/v1/models", replacing).status, 201);
    world_.add_dataset("data");
    auto confused = other;
    confused["name"] = "data";
    confused["replace"] = true;
    EXPECT_EQ(world_.post("/api/v1/models", confused).status, 409);
}

TEST_F(ApiTest, WhatCannotBeLoadedIsNoModel) {
    const json cut_off = {world_.upload(R"({"model_type": "test"})", "config.json"),
                          world_.upload("weights", "model.safetensors")};
    const auto refused = world_.post("/api/v1/models", {{"name", "m"}, {"files", cut_off}});
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(error_of(refused).message, HasSubstr("model.safetensors: 7 bytes"));
    EXPECT_THAT(error_of(refused).hint, HasSubstr("again"));
    EXPECT_EQ(world_.get("/api/v1/models/m").status, 404);
}

TEST_F(ApiTest, ListsArePaged) {
    for (const char* name : {"a", "b", "c", "d", "e"}) {
        world_.add_model(name);
    }
    std::string seen;
    std::string after;
    int pages = 0;
    do {
        const auto page = world_.json_of(
            world_.get("/api/v1/models?limit=2" + (after.empty() ? "" : "&after=" + after)), 200);
        for (const auto& item : page["items"]) {
            seen += item["name"].get<std::string>();
        }
        after = page["next"].is_string() ? page["next"].get<std::string>() : "";
        ++pages;
    } while (!after.empty());
    EXPECT_EQ(seen, "abcde");
    EXPECT_EQ(pages, 3);
}

TEST_F(ApiTest, RecipesAreShown) {
    const auto list = world_.json_of(world_.get("/api/v1/recipes"), 200);
    EXPECT_THAT(list.dump(), HasSubstr("sft-lora"));
    EXPECT_EQ(world_.get("/api/v1/recipes/sft-lora").status, 200);
    const auto missing = world_.get("/api/v1/recipes/sft-lore");
    EXPECT_EQ(missing.status, 404);
    EXPECT_THAT(missing.body, HasSubstr("sft-lora"));
}

TEST_F(ApiTest, WhatNothingRefersToIsCollected) {
    world_.upload("an orphan", "f");
    const auto dry =
        world_.json_of(world_.post("/api/v1/gc", {{"dry_run", true}, {"grace_seconds", 0}}), 200);
    EXPECT_EQ(dry["blobs"].size(), 1U);
    EXPECT_EQ(world_.json_of(world_.post("/api/v1/gc", {{"dry_run", true}}), 200)["bytes"], 0);
    world_.json_of(world_.post("/api/v1/gc", {{"dry_run", false}, {"grace_seconds", 0}}), 200);
    EXPECT_EQ(world_.get("/api/v1/blobs/sha256:" + core::sha256_hex("an orphan")).status, 404);
    EXPECT_EQ(world_.post("/api/v1/gc", {{"grace_seconds", -1}}).status, 400);
}

}  // namespace
}  // namespace sust::control
