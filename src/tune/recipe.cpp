#include "tune/recipe.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "core/toml.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::TomlTable;
using nlohmann::json;

namespace {

constexpr std::size_t k_max_recipe_bytes = 256 << 10;
constexpr auto k_max_time_limit = std::chrono::hours(24 * 30);

bool is_ours(Stage stage) {
    return stage == Stage::prepare || stage == Stage::register_;
}

std::vector<std::string> stage_names() {
    std::vector<std::string> names;
    for (const auto stage : k_stages) {
        names.emplace_back(to_string(stage));
    }
    return names;
}

Result<StageSpec> parse_stage_table(const TomlTable& table) {
    const auto name = TRY(table.required_text("name"));
    const auto stage = parse_stage(name);
    if (!stage) {
        const auto near = core::nearest(name, stage_names());
        return fail(Fault::invalid, "unknown stage '" + core::printable(name, 40) + "'",
                    {.where = table.where("name"),
                     .hint = near ? "is '" + *near + "' meant?"
                                  : "stages: " + core::join(stage_names(), ", ")});
    }
    StageSpec spec{.stage = *stage};
    spec.command = TRY(table.texts("command"));
    if (const auto limit = TRY(table.duration("time_limit"))) {
        spec.time_limit = *limit;
    }
    TRY(table.no_other_keys());
    if (is_ours(*stage) != spec.command.empty()) {
        return fail(Fault::invalid,
                    is_ours(*stage) ? "stage " + name + " takes no command: it is Sust's own"
                                    : "stage " + name + " needs a command",
                    {.where = table.where("name")});
    }
    if (spec.time_limit <= Duration::zero() || spec.time_limit > k_max_time_limit) {
        return fail(Fault::invalid, "time_limit is not within 0 s to 30 days",
                    {.where = table.where("time_limit")});
    }
    return spec;
}

Result<std::vector<StageSpec>> parse_stages(const TomlTable& root) {
    std::vector<StageSpec> stages;
    for (const auto& table : TRY(root.tables("stages"))) {
        stages.push_back(TRY(parse_stage_table(table)));
        const auto count = stages.size();
        if (count > 1 && stages[count - 2].stage >= stages[count - 1].stage) {
            return fail(Fault::invalid, "stages are out of order or twice",
                        {.where = table.where("name"),
                         .hint = "order: " + core::join(stage_names(), ", ")});
        }
    }
    if (stages.size() < 3 || stages.front().stage != Stage::prepare ||
        stages.back().stage != Stage::register_) {
        return fail(Fault::invalid,
                    "a recipe begins with prepare, ends with register, and does "
                    "something between",
                    {.where = root.where("stages")});
    }
    return stages;
}

Result<Produces> parse_produces(const TomlTable& root) {
    const auto text = TRY(root.required_text("produces"));
    for (const auto produces : {Produces::adapter, Produces::model, Produces::gguf}) {
        if (text == to_string(produces)) {
            return produces;
        }
    }
    return fail(Fault::invalid, "produces '" + core::printable(text, 40) + "' is unknown",
                {.where = root.where("produces"), .hint = "adapter, model or gguf"});
}

Result<void> parse_takes(const TomlTable& root, Recipe& recipe) {
    for (const auto& what : TRY(root.texts("takes"))) {
        if (what == "base") {
            recipe.takes_base = true;
        } else if (what == "data") {
            recipe.takes_data = true;
        } else {
            return fail(Fault::invalid, "takes '" + core::printable(what, 40) + "' is unknown",
                        {.where = root.where("takes"), .hint = "base and data"});
        }
    }
    return {};
}

}  // namespace

std::string_view to_string(Stage stage) {
    switch (stage) {
        case Stage::prepare:
            return "prepare";
        case Stage::train:
            return "train";
        case Stage::convert:
            return "convert";
        case Stage::evaluate:
            return "evaluate";
        case Stage::register_:
            return "register";
    }
    return "prepare";
}

std::optional<Stage> parse_stage(std::string_view text) {
    for (const auto stage : k_stages) {
        if (text == to_string(stage)) {
            return stage;
        }
    }
    return {};
}

std::string_view to_string(Produces produces) {
    switch (produces) {
        case Produces::adapter:
            return "adapter";
        case Produces::model:
            return "model";
        case Produces::gguf:
            return "gguf";
    }
    return "adapter";
}

const StageSpec* Recipe::stage(Stage wanted) const {
    const auto found = std::find_if(stages.begin(), stages.end(),
                                    [&](const StageSpec& spec) { return spec.stage == wanted; });
    return found == stages.end() ? nullptr : &*found;
}

void to_json(json& out, const Recipe& recipe) {
    auto takes = json::array();
    if (recipe.takes_base) {
        takes.push_back("base");
    }
    if (recipe.takes_data) {
        takes.push_back("data");
    }
    auto stages = json::array();
    for (const auto& spec : recipe.stages) {
        stages.push_back(
            {{"name", to_string(spec.stage)},
             {"command", spec.command},
             {"time_limit_seconds",
              std::chrono::duration_cast<std::chrono::seconds>(spec.time_limit).count()}});
    }
    out = {{"name", recipe.name},
           {"summary", recipe.summary},
           {"version", recipe.version},
           {"environment", recipe.environment},
           {"takes", std::move(takes)},
           {"produces", to_string(recipe.produces)},
           {"parameters", recipe.parameters},
           {"stages", std::move(stages)}};
}

Result<Recipe> parse_recipe(std::string_view toml, const Path& file) {
    if (toml.size() > k_max_recipe_bytes) {
        return fail(Fault::too_large, "a recipe is at most 256 KiB", {.where = file.string()});
    }
    const auto root = TRY(TomlTable::parse(toml, file.string()));
    Recipe recipe;
    recipe.name = TRY(root.required_text("name"));
    recipe.summary = TRY(root.required_text("summary"));
    recipe.version = TRY(root.required_text("version"));
    recipe.environment = TRY(root.required_text("environment"));
    recipe.produces = TRY(parse_produces(root));
    recipe.folder = file.parent_path();
    TRY(core::within(root.where("name"), core::check_name("recipe name", recipe.name)));
    TRY(parse_takes(root, recipe));
    if (const auto parameters = TRY(root.table("parameters"))) {
        recipe.parameters = TRY(parse_parameters(*parameters));
    }
    recipe.stages = TRY(parse_stages(root));
    TRY(root.no_other_keys());
    if (recipe.produces == Produces::adapter && !recipe.takes_base) {
        return fail(Fault::invalid, "an adapter needs a base: takes = [\"base\", ...]",
                    {.where = root.where("takes")});
    }
    return recipe;
}

}  // namespace sust::tune
