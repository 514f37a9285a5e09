#include "store/modelpack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/media_types.h"

namespace sust::store {
namespace {

using ::testing::HasSubstr;

File file(std::string path, std::string_view bytes) {
    return {.path = std::move(path), .digest = Digest::of(bytes), .size = bytes.size()};
}

TEST(ModelPack, SameFilesAndFactsGiveTheSameBytes) {
    const ModelFacts facts{.name = "tiny", .format = "safetensors", .licenses = {"Apache-2.0"}};
    const auto a = compose(Kind::model, {file("b", "2"), file("a", "1")}, facts, {});
    const auto b = compose(Kind::model, {file("a", "1"), file("b", "2")}, facts, {});
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->config, b->config);
    EXPECT_EQ(a->manifest.encode(), b->manifest.encode());
}

TEST(ModelPack, BytesAreThoseOfTheFormat) {
    // The digest of an artifact is its identity: a change here is a change of the format.
    const auto pack = compose(Kind::model, {file("model.gguf", "w")},
                              {.name = "tiny", .format = "gguf", .param_size = "3.7M"}, {});
    ASSERT_TRUE(pack);
    EXPECT_EQ(pack->config,
              R"({"descriptor":{"name":"tiny"},"config":{"format":"gguf","paramSize":"3.7M"},)"
              R"("modelfs":{"type":"layers","diffIds":[")" +
                  Digest::of("w").str() + R"("]}})");
    EXPECT_EQ(pack->manifest.config.digest, Digest::of(pack->config));
    EXPECT_EQ(pack->manifest.layers[0].annotations.at(std::string(k_file_metadata)),
              R"({"name":"model.gguf","mode":420,"uid":0,"gid":0,"size":1,)"
              R"("mtime":"1970-01-01T00:00:00Z","typeflag":48})");
}

TEST(ModelPack, OtherFactsGiveAnotherDigest) {
    const auto a = compose(Kind::model, {file("a", "1")}, {.name = "x"}, {});
    const auto b = compose(Kind::model, {file("a", "1")}, {.name = "y"}, {});
    EXPECT_NE(a->manifest.encode(), b->manifest.encode());
}

TEST(ModelPack, LayersAreTypedByFileName) {
    const std::vector<std::pair<std::string, std::string_view>> table{
        {"model.safetensors", k_weight_type},
        {"base.gguf", k_weight_type},
        {"config.json", k_weight_config_type},
        {"chat_template.jinja", k_weight_config_type},
        {"README.md", k_doc_type},
        {"LICENSE", k_doc_type},
        {"data/LICENSE.wordnet", k_doc_type},
        {"data/replay.jsonl.xz", k_dataset_type},
        {"train.jsonl", k_dataset_type},
        {"modeling.py", k_code_type},
        {"no-suffix", k_code_type},
    };
    for (const auto& [path, type] : table) {
        EXPECT_EQ(layer_type(Kind::model, path), type) << path;
    }
    EXPECT_EQ(layer_type(Kind::dataset, "lines.json"), k_dataset_type);
    EXPECT_EQ(layer_type(Kind::dataset, "README"), k_doc_type);
}

TEST(ModelPack, RefusesWhatIsNoArtifact) {
    const auto base = Digest::of("base");
    const auto a = file("a", "1");
    const struct {
        Kind kind;
        std::vector<File> files;
        std::optional<Digest> base;
        std::string message;
    } table[] = {
        {Kind::model, {}, {}, "at least one file"},
        {Kind::model, {a, a}, {}, "twice"},
        {Kind::model, {file("../a", "1")}, {}, "relative"},
        {Kind::model, {a, file("a/b", "2")}, {}, "below another file"},
        {Kind::model, {a, file("a.b", "2"), file("a/b/c", "3")}, {}, "below another file"},
        {Kind::model, {a}, base, "has no base"},
        {Kind::adapter, {a}, {}, "needs the model"},
        {Kind::image, {a}, {}, "not made of files"},
    };
    for (const auto& row : table) {
        const auto pack = compose(row.kind, row.files, {}, row.base);
        ASSERT_FALSE(pack) << row.message;
        EXPECT_EQ(pack.error().fault, core::Fault::invalid);
        EXPECT_THAT(pack.error().message, HasSubstr(row.message));
    }
    EXPECT_FALSE(compose(Kind::model, {a}, {.name = "\xff"}, {}));
}

TEST(ModelPack, AnAdapterNamesItsBase) {
    const auto base = Digest::of("base");
    const auto pack = compose(Kind::adapter, {file("a", "1")}, {}, base);
    ASSERT_TRUE(pack);
    EXPECT_EQ(pack->manifest.kind(), Kind::adapter);
    EXPECT_EQ(pack->manifest.base(), base);
}

}  // namespace
}  // namespace sust::store
