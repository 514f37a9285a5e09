#include "store/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/media_types.h"

namespace sust::store {
namespace {

using ::testing::HasSubstr;

Descriptor described(std::string_view type, std::string_view bytes, std::string path = {}) {
    Descriptor descriptor{
        .media_type = std::string(type), .digest = Digest::of(bytes), .size = bytes.size()};
    if (!path.empty()) {
        descriptor.annotations[std::string(k_file_path)] = std::move(path);
    }
    return descriptor;
}

Manifest modelpack(std::vector<Descriptor> layers) {
    return {.artifact_type = std::string(k_model_type),
            .config = described(k_model_config_type, "{}"),
            .layers = std::move(layers)};
}

TEST(Manifest, IsReadBackAsItWasWritten) {
    Manifest manifest = modelpack({described(k_weight_type, "w", "model.gguf")});
    manifest.subject = described(k_manifest_type, "subject");
    manifest.annotations = {{"a", "\"quoted\" \n"}};
    const auto again = Manifest::decode(manifest.encode());
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, manifest);
    EXPECT_EQ(again->encode(), manifest.encode());
}

TEST(Manifest, PassesOverFieldsThatItDoesNotKnow) {
    auto text = modelpack({}).encode();
    text.insert(1, R"("futureField":{"x":[1,2]},)");
    EXPECT_TRUE(Manifest::decode(text));
}

TEST(Manifest, RefusesWhatIsNone) {
    const auto config = R"({"mediaType":"m","digest":")" + Digest::of("x").str() + R"(","size":1})";
    const std::vector<std::pair<std::string, std::string>> table{
        {"", "not JSON"},
        {"[]", "not an object"},
        {"{}", "schemaVersion"},
        {R"({"schemaVersion":2})", "'config' is missing"},
        {R"({"schemaVersion":2,"config":)" + config + "}", "'layers' is missing"},
        {R"({"schemaVersion":2,"config":7,"layers":[]})", "must be an object"},
        {R"({"schemaVersion":2,"config":)" + config + R"(,"layers":[{}]})", "'mediaType'"},
        {R"({"schemaVersion":2,"config":)" + config + R"(,"layers":[],"annotations":{"a":1}})",
         "strings only"},
        {R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"})",
         "is no image manifest"},
        {R"({"schemaVersion":2,"config":)" + config + R"(,"layers":[],"subject":[]})", "object"},
    };
    for (const auto& [text, message] : table) {
        const auto manifest = Manifest::decode(text);
        ASSERT_FALSE(manifest) << text;
        EXPECT_EQ(manifest.error().fault, core::Fault::invalid);
        EXPECT_THAT(manifest.error().message, HasSubstr(message)) << text;
    }
}

TEST(Manifest, KindIsToldByTypeThenByWhatIsInIt) {
    const auto weight = described(k_weight_type, "w", "model.safetensors");
    const auto data = described(k_dataset_type, "d", "train.jsonl");
    const auto readme = described(k_doc_type, "r", "README.md");
    EXPECT_EQ(modelpack({weight, data}).kind(), Kind::model);
    EXPECT_EQ(modelpack({data, readme}).kind(), Kind::dataset);
    EXPECT_EQ(modelpack({readme}).kind(), Kind::model);
    const auto peft = described(k_weight_config_type, "{}", "adapter_config.json");
    EXPECT_EQ(modelpack({peft, weight}).kind(), Kind::adapter);

    auto said = modelpack({weight});
    said.annotations[std::string(k_kind)] = "adapter";
    EXPECT_EQ(said.kind(), Kind::adapter);
    said.annotations[std::string(k_kind)] = "image";
    EXPECT_EQ(said.kind(), Kind::model) << "a ModelPack is none of the other kinds";

    EXPECT_EQ((Manifest{.artifact_type = "application/x-squashfs", .config = weight}.kind()),
              Kind::image);
    EXPECT_EQ((Manifest{.artifact_type = "application/vnd.in-toto+json", .config = weight}.kind()),
              Kind::statement);
    EXPECT_EQ((Manifest{.artifact_type = "", .config = weight}.kind()), Kind::other);
}

TEST(Manifest, EveryKindHasAWord) {
    for (const auto kind : {Kind::model, Kind::adapter, Kind::dataset, Kind::image, Kind::statement,
                            Kind::report, Kind::other}) {
        EXPECT_EQ(*parse_kind(to_string(kind)), kind);
    }
    EXPECT_FALSE(parse_kind("mdoel"));
}

TEST(FilePath, StaysInsideTheArtifact) {
    for (const auto* good : {"a", "model.safetensors", "data/replay.jsonl.xz", "..a", "a b", "é"}) {
        EXPECT_TRUE(check_file_path(good)) << good;
    }
    for (const std::string bad :
         {"", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a\nb", "\x7f", "\xff\xfe"}) {
        EXPECT_FALSE(check_file_path(bad)) << bad;
    }
    EXPECT_FALSE(check_file_path(std::string("a\0b", 3)));
    EXPECT_FALSE(check_file_path(std::string(2000, 'a')));
}

}  // namespace
}  // namespace sust::store
