#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/run_log.h"
#include "control/test_world.h"

namespace sust::control {
namespace {

using core::http::error_of;
using nlohmann::json;
using test::World;
using testing::HasSubstr;

TEST(LogPlace, IsOneNumberThatReadsBack) {
    for (const auto& place : {LogPlace{}, LogPlace{4, 1, 2}, LogPlace{2, (1U << 26) + 70, 5}}) {
        const auto back = LogPlace::decode(place.encode());
        EXPECT_EQ(back.stage, place.stage);
        EXPECT_EQ(back.err, place.err);
        EXPECT_EQ(back.out, place.out);
        EXPECT_LE(place.encode(), static_cast<std::uint64_t>(INT64_MAX));
    }
    EXPECT_EQ(LogPlace::decode(UINT64_MAX).stage, 4U);
}

class RunsTest : public testing::Test {
  protected:
    RunsTest() {
        world_.add_model("tiny");
        world_.add_dataset("tickets", 30);
        world_.add_dataset("known", 5);
    }
    json request(const std::string& name = "triage") {
        return {{"recipe", "sft-lora"},
                {"base", "tiny"},
                {"data", "tickets"},
                {"name", name},
                {"evaluations", {"known"}}};
    }
    std::string start(const std::string& name = "triage") {
        return world_.json_of(world_.post("/api/v1/runs", request(name)), 201)["id"];
    }
    json show(const std::string& id) {
        return world_.json_of(world_.get("/api/v1/runs/" + id), 200);
    }
    // The train stage's job is there.
    bool trains(const std::string& id) {
        bool there = false;
        return test::soon([&] {
            world_.on_loop([&] { there = world_.cluster.jobs.contains(id + "-train"); });
            return there;
        });
    }
    World world_;
};

TEST_F(RunsTest, ARunIsStartedShownAndListed) {
    const auto id = start();
    EXPECT_EQ(show(id)["name"], "triage");
    ASSERT_TRUE(trains(id));
    const auto list = world_.json_of(world_.get("/api/v1/runs"), 200);
    ASSERT_EQ(list["items"].size(), 1U);
    EXPECT_EQ(list["items"][0]["id"], id);
    EXPECT_EQ(world_.json_of(world_.get("/api/v1/status"), 200)["runs"]["running"], 1);
}

TEST_F(RunsTest, WhatARunUsesIsLetGoByTheCommandThatIsNamed) {
    const auto id = start();
    ASSERT_TRUE(trains(id));
    const auto used = world_.remove("/api/v1/datasets/tickets");
    EXPECT_EQ(used.status, 409);
    EXPECT_EQ(error_of(used).hint, "sust tune cancel " + id);
    EXPECT_EQ(error_of(world_.remove("/api/v1/runs/" + id)).hint, "sust tune cancel " + id);
    world_.json_of(world_.post("/api/v1/runs/" + id + "/cancel", json::object()), 200);
    ASSERT_TRUE(test::soon([&] { return show(id)["state"] == "cancelled"; }));
    EXPECT_EQ(error_of(world_.remove("/api/v1/datasets/tickets")).hint, "sust tune rm " + id);
    EXPECT_EQ(world_.json_of(world_.remove("/api/v1/runs/" + id), 200)["state"], "cancelled");
    EXPECT_EQ(world_.get("/api/v1/runs/" + id).status, 404);
    EXPECT_EQ(world_.remove("/api/v1/datasets/tickets").status, 200);
}

TEST_F(RunsTest, NothingIsStartedFromABadRequest) {
    auto unknown_base = request();
    unknown_base["base"] = "tinny";
    EXPECT_EQ(world_.post("/api/v1/runs", unknown_base).status, 404);
    auto out_of_range = request();
    out_of_range["parameters"] = {{"epochs", "1000000"}};
    const auto refused = world_.post("/api/v1/runs", out_of_range);
    EXPECT_EQ(refused.status, 400) << refused.body;
    auto unknown = request();
    unknown["parameters"] = {{"epoch", "1"}};
    EXPECT_THAT(world_.post("/api/v1/runs", unknown).body, HasSubstr("epochs"));
    auto bad_key = request();
    bad_key["dataset"] = "x";
    EXPECT_EQ(world_.post("/api/v1/runs", bad_key).status, 400);
    EXPECT_TRUE(world_.json_of(world_.get("/api/v1/runs"), 200)["items"].empty());
}

TEST_F(RunsTest, ARepeatedRequestStartsNothingTwice) {
    const auto first = world_.post("/api/v1/runs", request(), "req-1");
    const auto again = world_.post("/api/v1/runs", request(), "req-1");
    EXPECT_EQ(first.status, 201);
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.headers.get("Idempotent-Replay"), "true");
    world_.restart();
    EXPECT_EQ(world_.post("/api/v1/runs", request(), "req-1").body, first.body);
    EXPECT_EQ(world_.post("/api/v1/runs", request("other"), "req-1").status, 409);
    EXPECT_EQ(world_.json_of(world_.get("/api/v1/runs"), 200)["items"].size(), 1U);
}

TEST_F(RunsTest, AFailedRequestKeepsNoAnswer) {
    auto bad = request();
    bad["base"] = "absent";
    EXPECT_EQ(world_.post("/api/v1/runs", bad, "req-2").status, 404);
    world_.add_model("absent");
    EXPECT_EQ(world_.post("/api/v1/runs", bad, "req-2").status, 201);
}

TEST_F(RunsTest, ARunIsCancelledOnceItsJobHasEnded) {
    const auto id = start();
    ASSERT_TRUE(trains(id));
    EXPECT_EQ(world_.post("/api/v1/runs/" + id + "/cancel", json::object()).status, 200);
    EXPECT_TRUE(test::soon([&] { return show(id)["state"] == "cancelled"; }));
    EXPECT_EQ(world_.post("/api/v1/runs/" + id + "/cancel", json::object()).status, 409);
    EXPECT_EQ(world_.post("/api/v1/runs/run-nobody/cancel", json::object()).status, 404);
}

TEST_F(RunsTest, WhatARunUsesCannotBeRemoved) {
    const auto id = start();
    const auto refused = world_.remove("/api/v1/datasets/tickets");
    EXPECT_EQ(refused.status, 409);
    EXPECT_THAT(refused.body, HasSubstr(id));
    EXPECT_THAT(world_.get("/api/v1/datasets/tickets").body, HasSubstr(id));
}

TEST_F(RunsTest, LogsAreReadPieceByPieceUntilTheEnd) {
    const auto id = start();
    ASSERT_TRUE(trains(id));
    world_.on_loop([&] {
        auto& job = world_.cluster.jobs.at(id + "-train");
        job.err = "loading\xe2\x82";  // a character that is not whole yet
        job.out = "step 1\n";
    });
    const auto target = "/api/v1/runs/" + id + "/logs?offset=";
    auto piece = world_.json_of(world_.get(target + "0"), 200);
    EXPECT_EQ(piece["text"], "loadingstep 1\n");
    EXPECT_EQ(piece["complete"], false);
    world_.on_loop([&] { world_.cluster.jobs.at(id + "-train").err += "\xac end\n"; });
    piece = world_.json_of(world_.get(target + piece["next_offset"].dump()), 200);
    EXPECT_EQ(piece["text"], "\xe2\x82\xac end\n");
    world_.json_of(world_.post("/api/v1/runs/" + id + "/cancel", json::object()), 200);
    EXPECT_TRUE(test::soon([&] {
        return world_.json_of(world_.get(target + piece["next_offset"].dump()), 200)["complete"] ==
               true;
    }));
    EXPECT_EQ(world_.get(target + "0&stage=tea").status, 400);
    EXPECT_EQ(world_.get(target + "0&stream=in").status, 400);
    EXPECT_EQ(world_.json_of(world_.get(target + "0&stage=train&stream=out"), 200)["text"],
              "step 1\n");
}

TEST_F(RunsTest, FollowersSeeTheStateAndTheEnd) {
    const auto id = start();
    ASSERT_TRUE(trains(id));
    std::vector<core::http::Event> events;
    std::thread canceller;
    core::http::Client client(world_.clock, core::http::UnixAddress{world_.socket()});
    core::http::EventParser parser;
    const auto head =
        client.stream({.target = "/api/v1/runs/" + id + "/events"}, std::chrono::seconds(20),
                      [&](std::string_view bytes) {
                          return parser.feed(bytes, [&](const core::http::Event& event) {
                              if (events.empty()) {
                                  canceller = std::thread([&] {
                                      world_.post("/api/v1/runs/" + id + "/cancel", json::object());
                                  });
                              }
                              events.push_back(event);
                          });
                      });
    canceller.join();
    ASSERT_TRUE(head) << core::to_string(head.error());
    ASSERT_GE(events.size(), 2U);
    EXPECT_EQ(events.front().event, "state");
    EXPECT_EQ(events.back().event, "state");
    EXPECT_EQ(json::parse(events.back().data)["state"], "cancelled");
    EXPECT_EQ(world_.get("/api/v1/runs/run-nobody/events").status, 404);
}

}  // namespace
}  // namespace sust::control
