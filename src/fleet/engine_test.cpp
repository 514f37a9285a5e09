#include "fleet/engine.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fleet/command.h"

namespace sust::fleet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Path k_engines = Path(SUST_SOURCE_DIR) / "engines";

std::string shipped_text() {
    return core::read_file(k_engines / "llama-cpp.toml", 1 << 20).value();
}
Engine shipped() {
    return parse_engine(shipped_text(), "llama-cpp.toml").value();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

EngineInputs inputs() {
    return {.alias = "demo",
            .base_name = "tiny",
            .base = "/blobs/b",
            .adapters = {{"triage", "/blobs/t"}, {"team/o\"dd", "/blobs/o"}},
            .socket_folder = "/run/r",
            .slots = 4,
            .context = 512,
            .threads = 1};
}

TEST(Engine, EveryShippedFileIsValidAndNamedAsItsEngine) {
    const auto engines = load_engines(k_engines);
    ASSERT_TRUE(engines) << core::to_string(engines.error());
    EXPECT_TRUE(engines->contains("llama-cpp"));
}

TEST(Engine, LlamaKeepsNoPromptCacheInRamBecauseItMixesAdapters) {
    const auto argv = shipped().command.argv;
    const auto flag = std::find(argv.begin(), argv.end(), "--cache-ram");
    ASSERT_NE(flag, argv.end());
    EXPECT_EQ(*std::next(flag), "0");
}

TEST(Engine, LlamaRefusesTheFieldsThatWouldBreakIsolationButNoFieldOfTheApi) {
    const auto fields = shipped().private_fields;
    EXPECT_THAT(fields, testing::IsSupersetOf({"lora", "id_slot", "cache_prompt"}));
    for (const auto* ours : {"temperature", "top_p", "seed", "stop", "max_tokens", "logit_bias",
                             "response_format", "tools", "stream_options", "logprobs"}) {
        EXPECT_THAT(fields, testing::Not(testing::Contains(ours)));
    }
}

TEST(Engine, FaultsAreNamedByPlaceAndReason) {
    struct Case {
        const char* from;
        const char* to;
        const char* says;
    };
    for (const auto& [from, to, says] : {
             Case{"format = 1", "format = 9", "this program reads format 1, the file is 9"},
             Case{"{context_total}", "{contxt}", "unknown placeholder {contxt}"},
             Case{"\"{socket}\"", "\"x\"", "does not use {socket}"},
             Case{"[stop]", "[stop]\ngrave = 1", "grave"},
             Case{"failures = 3", "failures = 0", "between 1 and 100"},
             Case{"every = \"2s\"", "every = \"2ms\"", "between 100ms"},
             Case{"\"/health\"", "\"health\"", "a path such as"},
             Case{"'{\"lora\":[{\"id\":0,\"scale\":0.0}]}'", "'[]'", "not a JSON object"},
             Case{"\"{path}:0\"", "\"x:0\"", "does not use {path}"},
         }) {
        const auto engine = parse_engine(replaced(shipped_text(), from, to), "e.toml");
        ASSERT_FALSE(engine) << to;
        EXPECT_THAT(core::to_string(engine.error()), HasSubstr(says));
        EXPECT_THAT(core::to_string(engine.error()), HasSubstr("e.toml"));
    }
}

TEST(EngineCommand, MountsFilesUnderNamesOfItsOwnAndListsAdaptersInOrder) {
    const auto command = engine_command(shipped(), inputs()).value();
    const auto argv = run_argv({"/bin/sust", "run"}, command);
    EXPECT_THAT(argv, testing::IsSupersetOf({"/blobs/b:/sust/model/base.gguf:ro",
                                             "/blobs/t:/sust/model/adapter-0.gguf:ro",
                                             "/run/r:/sust/run", "/sust/run/engine.sock", "2048"}));
    EXPECT_EQ(argv.back(), "/sust/model/adapter-0.gguf:0,/sust/model/adapter-1.gguf:0");
    EXPECT_EQ(command.socket, "/run/r/engine.sock");
}

TEST(EngineCommand, TheBaseSwitchesAdaptersOffAndEachAdapterChoosesItself) {
    const auto models = engine_command(shipped(), inputs()).value().models;
    ASSERT_EQ(models.size(), 3U);
    EXPECT_EQ(models[0].name, "tiny");
    EXPECT_EQ(nlohmann::json::parse(models[0].select_json),
              nlohmann::json::parse(R"({"lora":[{"id":0,"scale":0.0}]})"));
    EXPECT_EQ(models[2].name, "team/o\"dd");
    EXPECT_EQ(nlohmann::json::parse(models[2].select_json)["lora"][0]["id"], 1);
    EXPECT_EQ(models[2].engine_name, "demo");
}

TEST(EngineCommand, WithoutAdaptersNoAdapterOptionIsGiven) {
    auto without = inputs();
    without.adapters.clear();
    const auto command = engine_command(shipped(), without).value();
    EXPECT_THAT(command.argv, testing::Not(testing::Contains("--lora-scaled")));
    EXPECT_EQ(command.models.front().select_json, "{}");
}

TEST(EngineCommand, APathThatAMountCannotCarryIsRefused) {
    auto odd = inputs();
    odd.base = "/a:b/c";
    EXPECT_THAT(core::to_string(engine_command(shipped(), odd).error()), HasSubstr("/a:b/c"));
}

TEST(EngineCommand, ALongSocketPathFallsBackToAShortFolder) {
    EXPECT_EQ(socket_folder("/run/sust/replicas/x", 0).value(), "/run/sust/replicas/x");
    const auto folder = socket_folder("/" + std::string(150, 'd') + "/x", getuid()).value();
    EXPECT_LE((folder / k_engine_socket).native().size(), 100U);
}

}  // namespace
}  // namespace sust::fleet
