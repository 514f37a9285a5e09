#include "tenancy/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

namespace sust::tenancy {
namespace {

const core::Secret k_secret("0123456789abcdef0123456789abcdef");

FreshKey fresh(std::vector<std::string> models = {}) {
    const core::ManualClock clock;
    return make_key(clock, k_secret, "ci", std::move(models), {"inference"});
}

TEST(Keys, AreRecognisedByTheirSecretAlone) {
    const auto a = fresh();
    const auto b = fresh();
    EXPECT_TRUE(matches(a.key, k_secret, a.text.reveal()));
    EXPECT_FALSE(matches(a.key, k_secret, b.text.reveal()));
    EXPECT_FALSE(matches(a.key, core::Secret("another"), a.text.reveal()));
}

TEST(Keys, CarryTheirIdInTheText) {
    const auto made = fresh();
    EXPECT_EQ(key_id(made.text.reveal()), made.key.id);
    EXPECT_THAT(made.text.reveal(), testing::StartsWith("sust_"));
    EXPECT_EQ(made.key.id.size(), 30U);
    EXPECT_THAT(made.key.hmac, testing::Not(testing::HasSubstr(made.text.reveal())));
}

TEST(Keys, WithATypoInAnyPlaceHaveNoId) {
    const auto text = fresh().text.reveal();
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto typo = text;
        typo[i] = typo[i] == 'x' ? 'y' : 'x';
        EXPECT_EQ(key_id(typo), std::nullopt) << typo;
    }
    EXPECT_EQ(key_id(""), std::nullopt);
    EXPECT_EQ(key_id(text + "0"), std::nullopt);
    EXPECT_EQ(key_id(text.substr(1)), std::nullopt);
}

TEST(Keys, WithoutAListAllowEveryModel) {
    EXPECT_TRUE(fresh().key.allows_model("anything"));
    const auto bound = fresh({"a", "b"}).key;
    EXPECT_TRUE(bound.allows_model("b"));
    EXPECT_FALSE(bound.allows_model("c"));
    EXPECT_TRUE(bound.has_scope(k_scope_inference));
    EXPECT_FALSE(bound.has_scope(k_scope_metrics));
}

TEST(Keys, KeepEverythingThroughJson) {
    auto key = fresh({"m"}).key;
    key.revoked = key.created + std::chrono::hours(1);
    const auto back = key_from_json(nlohmann::json(key));
    ASSERT_TRUE(back) << to_string(back.error());
    EXPECT_EQ(nlohmann::json(*back), nlohmann::json(key));
    EXPECT_FALSE(key_from_json(nlohmann::json::parse(R"({"id":3})")));
    EXPECT_FALSE(key_from_json(nlohmann::json::parse(R"([])")));
}

TEST(ServerSecret, IsMadeOnceAndForItsOwnerOnly) {
    auto directory = core::TemporaryDirectory::create(testing::TempDir(), "keys");
    ASSERT_TRUE(directory);
    const auto file = directory->path() / "keys.secret";
    const auto first = load_server_secret(file);
    const auto second = load_server_secret(file);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->reveal(), second->reveal());
    EXPECT_EQ(first->reveal().size(), 32U);
    struct stat status {};
    ASSERT_EQ(stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    ASSERT_TRUE(core::write_file(file, "short", 0600));
    EXPECT_EQ(load_server_secret(file).error().fault, core::Fault::invalid);
}

}  // namespace
}  // namespace sust::tenancy
