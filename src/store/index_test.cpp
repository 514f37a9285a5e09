#include "store/index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/media_types.h"

namespace sust::store {
namespace {

using ::testing::HasSubstr;

Descriptor manifest_of(std::string_view text) {
    return {.media_type = std::string(k_manifest_type),
            .digest = Digest::of(text),
            .size = text.size()};
}

TEST(Index, GivesBackTheNamesThatWereSet) {
    Index index;
    index.set("tiny", manifest_of("a"));
    index.set("tiny/gguf", manifest_of("bb"));
    const auto again = Index::parse(index.encode(), "index.json");
    ASSERT_TRUE(again);
    EXPECT_EQ(again->find("tiny")->digest, Digest::of("a"));
    EXPECT_EQ(again->find("tiny/gguf")->size, 2U);
    EXPECT_FALSE(again->find("tin"));
}

TEST(Index, ANameIsThereOnce) {
    Index index;
    index.set("tiny", manifest_of("a"));
    index.set("tiny", manifest_of("b"));
    EXPECT_EQ(index.entries().size(), 1U);
    EXPECT_EQ(index.find("tiny")->digest, Digest::of("b"));
    EXPECT_TRUE(index.erase("tiny"));
    EXPECT_FALSE(index.erase("tiny"));
}

TEST(Index, KeepsWhatOthersWrote) {
    const auto digest = Digest::of("x").str();
    const std::string entry =
        R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" + digest +
        R"(","size":1,"platform":{"os":"linux","architecture":"arm64"},"urls":["u"]})";
    auto index = Index::parse(
        R"({"schemaVersion":2,"annotations":{"a":"b"},"manifests":[)" + entry + "]}", "index.json");
    ASSERT_TRUE(index);
    index->set("tiny", manifest_of("a"));
    const auto text = index->encode();
    EXPECT_THAT(text, HasSubstr(entry));
    EXPECT_THAT(text, HasSubstr(R"("annotations":{"a":"b"})"));
}

TEST(Index, SaysWhereItIsDamaged) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"", "not JSON"},
        {"{\"schemaVersion\":2,\"manif", "not JSON: error at byte"},
        {"[]", "not an object"},
        {"{\"schemaVersion\":1,\"manifests\":[]}", "'schemaVersion' must be 2"},
        {"{\"schemaVersion\":2}", "'manifests' is missing"},
        {"{\"schemaVersion\":2,\"manifests\":[7]}", "descriptor must be an object"},
        {R"({"schemaVersion":2,"manifests":[{"mediaType":"m","digest":"sha256:0","size":1}]})",
         "is not a digest"},
        {std::string(100'000, '['), "nested deeper"},
    };
    for (const auto& [text, message] : table) {
        const auto index = Index::parse(text, "index.json");
        ASSERT_FALSE(index) << text;
        EXPECT_THAT(index.error().message, HasSubstr(message));
        EXPECT_THAT(index.error().where, HasSubstr("index.json"));
    }
}

TEST(Index, NamesTheEntryThatIsWrong) {
    const auto good = R"({"mediaType":"m","digest":")" + Digest::of("x").str() + R"(","size":1})";
    const auto bad = R"({"mediaType":"m","digest":")" + Digest::of("x").str() + R"(","size":-1})";
    const auto index =
        Index::parse(R"({"schemaVersion":2,"manifests":[)" + good + "," + bad + "]}", "index.json");
    ASSERT_FALSE(index);
    EXPECT_EQ(index.error().where, "index.json: manifests[1]");
}

}  // namespace
}  // namespace sust::store
