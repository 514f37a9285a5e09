#include "tune/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sust::tune {
namespace {

using testing::HasSubstr;

constexpr std::string_view k_head = R"(
name = "r"
summary = "s"
version = "1"
environment = "trainer"
produces = "adapter"
takes = ["base", "data"]
)";
constexpr std::string_view k_stages = R"(
[[stages]]
name = "prepare"
[[stages]]
name = "train"
command = ["python3", "train.py"]
time_limit = "2h"
[[stages]]
name = "register"
)";

Result<Recipe> parse(std::string_view text) {
    return parse_recipe(text, "/recipes/r/recipe.toml");
}

TEST(Recipe, IsReadWithItsStages) {
    const auto recipe = parse(std::string(k_head) + std::string(k_stages));
    ASSERT_TRUE(recipe) << core::to_string(recipe.error());
    EXPECT_EQ(recipe->stage(Stage::train)->time_limit, std::chrono::hours(2));
    EXPECT_EQ(recipe->stage(Stage::evaluate), nullptr);
    EXPECT_TRUE(recipe->takes_base);
    EXPECT_EQ(nlohmann::json(*recipe)["stages"][1]["time_limit_seconds"], 7200);
}

TEST(Recipe, FaultsAreNamedWithTheirPlace) {
    struct Row {
        std::string text;
        std::string message;
    };
    const std::string head(k_head);
    const Row rows[] = {
        {head, "begins with prepare"},
        {head + "[[stages]]\nname='train'\ncommand=['x']\n", "begins with prepare"},
        {head + "[[stages]]\nname='prepare'\ncommand=['x']\n", "takes no command"},
        {head + "[[stages]]\nname='train'\n", "needs a command"},
        {head + "[[stages]]\nname='trian'\ncommand=['x']\n", "unknown stage 'trian'"},
        {head + "[[stages]]\nname='register'\n[[stages]]\nname='prepare'\n", "out of order"},
        {head + "[[stages]]\nname='train'\ncommand=['x']\ntime_limit='0s'\n", "time_limit"},
        {head + "colour='red'\n" + std::string(k_stages), "unknown key 'colour'"},
        {"name='r'\n", "'summary'"},
    };
    for (const auto& row : rows) {
        const auto recipe = parse(row.text);
        ASSERT_FALSE(recipe) << row.message;
        EXPECT_THAT(recipe.error().message, HasSubstr(row.message));
        EXPECT_THAT(recipe.error().where, HasSubstr("recipe.toml")) << row.message;
    }
}

TEST(Recipe, EveryRecipeThatShipsIsGood) {
    const core::Places places{.config = "/nonexistent", .share = SUST_SOURCE_DIR};
    const auto recipes = list_recipes(places);
    ASSERT_TRUE(recipes) << core::to_string(recipes.error());
    std::vector<std::string> names;
    for (const auto& recipe : *recipes) {
        names.push_back(recipe.name);
        EXPECT_TRUE(apply_settings(recipe.parameters, {})) << recipe.name;
    }
    EXPECT_THAT(names, testing::IsSupersetOf({"sft-lora", "to-gguf", "pretrain-tiny"}));
}

TEST(Recipe, AnUnknownOneNamesTheNearest) {
    const core::Places places{.config = "/nonexistent", .share = SUST_SOURCE_DIR};
    const auto recipe = find_recipe("sft-lorra", places);
    ASSERT_FALSE(recipe);
    EXPECT_THAT(recipe.error().hint, HasSubstr("sft-lora"));
    EXPECT_FALSE(find_recipe("../recipes/sft-lora", places));
}

class RecipeFolder : public testing::Test {
  protected:
    void SetUp() override {
        write("recipes/r/recipe.toml", std::string(k_head) + std::string(k_stages));
        write("recipes/r/train.py", "print(1)\n");
        write("recipes/common/kit/a.py", "A = 1\n");
    }
    void write(const std::string& path, std::string_view text) {
        ASSERT_TRUE(core::make_directories((folder_.path() / path).parent_path()));
        ASSERT_TRUE(core::write_file(folder_.path() / path, text));
    }
    Recipe found() {
        return *find_recipe("r", {.config = "/nonexistent", .share = folder_.path()});
    }
    core::TemporaryDirectory folder_ = *core::TemporaryDirectory::create("/tmp", "recipe");
};

TEST_F(RecipeFolder, TheDigestFollowsEveryFileAndNothingElse) {
    const auto before = *digest_recipe(found());
    write("recipes/r/__pycache__/train.pyc", "x");
    write("recipes/r/.hidden", "x");
    write("recipes/other/recipe.toml", "x");
    EXPECT_EQ(*digest_recipe(found()), before);
    write("recipes/common/kit/a.py", "A = 2\n");
    const auto after = *digest_recipe(found());
    EXPECT_NE(after, before);
    write("recipes/r/train.py", "print(2)\n");
    EXPECT_NE(*digest_recipe(found()), after);
}

TEST_F(RecipeFolder, TheCopyHasTheDigestOfTheOriginal) {
    const auto to = folder_.path() / "work";
    const auto digest = copy_recipe(found(), to);
    ASSERT_TRUE(digest);
    EXPECT_EQ(*digest, *digest_recipe(found()));
    EXPECT_TRUE(core::path_exists(to / "recipe" / "train.py"));
    EXPECT_TRUE(core::path_exists(to / "common" / "kit" / "a.py"));
}

}  // namespace
}  // namespace sust::tune
