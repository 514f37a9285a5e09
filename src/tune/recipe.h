#pragma once

// A recipe is a folder: recipe.toml and the programs of its stages (docs/formats/recipe.md).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"
#include "core/file.h"
#include "core/places.h"
#include "core/result.h"
#include "store/digest.h"
#include "tune/parameters.h"

namespace sust::tune {

using core::Duration;
using core::Path;
using core::Result;

enum class Stage { prepare, train, convert, evaluate, register_ };
inline constexpr Stage k_stages[] = {Stage::prepare, Stage::train, Stage::convert, Stage::evaluate,
                                     Stage::register_};
std::string_view to_string(Stage stage);
std::optional<Stage> parse_stage(std::string_view text);

enum class Produces { adapter, model, gguf };
std::string_view to_string(Produces produces);

struct StageSpec {
    Stage stage = Stage::prepare;
    std::vector<std::string> command;  // empty for prepare and register: they are ours
    Duration time_limit = std::chrono::hours(24);
};

struct Recipe {
    std::string name;
    std::string summary;
    std::string version;
    std::string environment;
    bool takes_base = false;
    bool takes_data = false;
    Produces produces = Produces::adapter;
    std::vector<Parameter> parameters;
    std::vector<StageSpec> stages;  // in order; prepare first, register last
    Path folder;                    // where recipe.toml is

    // Nothing if the recipe has no such stage.
    const StageSpec* stage(Stage stage) const;
};

void to_json(nlohmann::json& json, const Recipe& recipe);

Result<Recipe> parse_recipe(std::string_view toml, const Path& file);

// In config/recipes (first) and share/recipes. A folder that cannot be read is an error of its own.
Result<std::vector<Recipe>> list_recipes(const core::Places& places);
// not_found names the nearest recipe and every place looked at.
Result<Recipe> find_recipe(std::string_view name, const core::Places& places);

// Copies the recipe's folder and the shared modules beside it (common/) to `to`/recipe and
// `to`/common, so that a run keeps the programs that it began with. The digest is of the sorted
// paths and contents of what was copied. too_large over 16 MiB or 1000 files.
Result<store::Digest> copy_recipe(const Recipe& recipe, const Path& to);
Result<store::Digest> digest_recipe(const Recipe& recipe);

}  // namespace sust::tune
