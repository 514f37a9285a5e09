#include "serve/fleet_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::serve {
namespace {

FleetMap sample() {
    const core::ManualClock clock;
    const core::Secret secret("s");
    FleetMap map;
    map.version = 7;
    map.replicas = {
        {.id = "r1",
         .service = "triage",
         .engine = "llama-cpp",
         .socket = "/run/r1.sock",
         .state = ReplicaState::ready,
         .slots = 4,
         .models = {{.name = "tiny", .engine_name = "tiny", .select_json = R"({"lora":[]})"},
                    {.name = "team/triage", .engine_name = "tiny", .select_json = {}}}},
        {.id = "r2",
         .service = "triage",
         .engine = "none",
         .socket = "/run/r2.sock",
         .state = ReplicaState::draining,
         .slots = 1,
         .models = {{.name = "tiny", .engine_name = "tiny", .select_json = {}}}}};
    map.models = {{.name = "tiny", .service = "triage", .created = clock.wall()},
                  {.name = "asleep", .service = "night", .created = {}}};
    map.engines["llama-cpp"] = {.private_fields = {"lora"},
                                .prompt_counter = PromptCounter::llama_server};
    map.keys = {tenancy::make_key(clock, secret, "a", {"tiny"}, {"inference"}).key};
    map.limits = {.max_body_bytes = 5, .max_queue = 6, .queue_seconds = 7};
    return map;
}

TEST(FleetMap, ComesBackAsItWasWritten) {
    const auto map = sample();
    const auto back = decode_fleet_map(encode(map));
    ASSERT_TRUE(back) << to_string(back.error());
    EXPECT_EQ(back->version, map.version);
    EXPECT_EQ(back->replicas, map.replicas);
    EXPECT_EQ(back->models, map.models);
    EXPECT_EQ(back->engines, map.engines);
    EXPECT_EQ(back->limits, map.limits);
    ASSERT_EQ(back->keys.size(), 1U);
    EXPECT_EQ(back->keys[0].hmac, map.keys[0].hmac);
    EXPECT_EQ(encode(*back), encode(map));
}

TEST(FleetMap, OfAnotherFormatIsRefusedWithBothNumbers) {
    auto text = encode(sample());
    text.replace(text.find("\"format\": 1"), 11, "\"format\": 9");
    const auto refused = decode_fleet_map(text);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("format 9"));
    EXPECT_THAT(refused.error().message, testing::HasSubstr("format 1"));
}

TEST(FleetMap, ThatIsDamagedIsRefusedAsAWhole) {
    const auto text = encode(sample());
    for (std::size_t length = 0; length < text.size(); length += 7) {
        EXPECT_FALSE(decode_fleet_map(text.substr(0, length)));
    }
    auto no_slots = text;
    no_slots.replace(no_slots.find("\"slots\": 4"), 10, "\"slots\": 0");
    EXPECT_FALSE(decode_fleet_map(no_slots));
}

TEST(FleetMap, OfAnEarlierMinorVersionHasNoModelsWithoutReplica) {
    auto map = sample();
    map.models.clear();
    auto text = encode(map);
    const std::string_view field = "\"models\": [],";
    // Not the models of a replica: that of the map stands at the shallowest indent.
    const auto at = text.find("\n  " + std::string(field));
    ASSERT_NE(at, std::string::npos);
    text.erase(at + 3, field.size());
    const auto back = decode_fleet_map(text);
    ASSERT_TRUE(back) << to_string(back.error());
    EXPECT_TRUE(back->models.empty());
}

TEST(FleetMap, OfALaterMinorVersionMayHaveMoreFields) {
    auto text = encode(sample());
    text.insert(1, "\"more\": {\"to\": [\"come\"]},");
    EXPECT_TRUE(decode_fleet_map(text));
}

}  // namespace
}  // namespace sust::serve
