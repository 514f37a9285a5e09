#include "tune/provenance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"

namespace sust::tune {
namespace {

using testing::HasSubstr;

class Provenance : public testing::Test {
  protected:
    Provenance() { EXPECT_TRUE(core::make_directories(work.path, 0700)); }

    void leave(std::string_view sources) {
        ASSERT_TRUE(core::write_file(work.sources(), sources, 0600));
    }
    core::Result<store::Provenance> said() const { return provenance_of(run, work, "tiny"); }

    core::TemporaryDirectory home =
        core::TemporaryDirectory::create(std::filesystem::temp_directory_path(), "provenance-")
            .value();
    tune::Run run{.id = "run-1", .recipe = "pretrain-tiny", .name = "tiny"};
    WorkFolder work{core::Places{.data = home.path()}, run};
    const std::string digest = std::string(64, 'a');
};

TEST_F(Provenance, NamesWhatTheRecipeFetchedByPlaceAndDigest) {
    leave(
        R"([{"name": "wordnet-base", "uri": "pkg:deb/debian/wordnet-base@1:3.0-37", "sha256": ")" +
        digest + R"("}])");
    const auto provenance = said();
    ASSERT_TRUE(provenance) << core::to_string(provenance.error());
    ASSERT_EQ(provenance->dependencies.size(), 1U);
    EXPECT_EQ(provenance->dependencies[0].name, "fetched:wordnet-base");
    EXPECT_EQ(provenance->dependencies[0].uri, "pkg:deb/debian/wordnet-base@1:3.0-37");
    EXPECT_EQ(provenance->dependencies[0].digest.hex(), digest);
}

TEST_F(Provenance, NeedsNothingToHaveBeenFetched) {
    const auto provenance = said();
    ASSERT_TRUE(provenance);
    EXPECT_TRUE(provenance->dependencies.empty());
    EXPECT_EQ(provenance->run, "run-1");
}

TEST_F(Provenance, RefusesSourcesThatSayNoPlaceOrNoDigest) {
    const std::string good = R"({"name": "a", "uri": "b", "sha256": ")" + digest + R"("})";
    std::string many = "[" + good;
    for (int i = 0; i < 64; ++i) {
        many += "," + good;
    }
    for (const auto& text :
         {std::string("{}"), std::string("[1]"), std::string("[{}]"), std::string("not JSON"),
          std::string(R"([{"name": "a", "uri": "b", "sha256": "12"}])"),
          std::string(R"([{"name": "", "uri": "b", "sha256": ")") + digest + R"("}])",
          many + "]"}) {
        leave(text);
        const auto provenance = said();
        ASSERT_FALSE(provenance) << text;
        EXPECT_THAT(core::to_string(provenance.error()), HasSubstr("sources.json")) << text;
    }
}

}  // namespace
}  // namespace sust::tune
