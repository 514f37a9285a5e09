#include "tune/run_request.h"

#include <fmt/format.h>

#include "core/id.h"
#include "core/text.h"
#include "fleet/engine.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Result;

namespace {

// Each is asked one question at a time; a run judged on more sets is not judged better.
constexpr std::size_t k_max_evaluations = 16;
constexpr const char* k_convert_recipe = "to-gguf";

Result<Input> require_input(const store::Store& store, const std::string& name, store::Kind kind) {
    const auto digest = TRY(store.require(name, kind));
    return Input{.name = name, .digest = digest};
}

Result<std::optional<Input>> take(const store::Store& store, bool takes, const std::string& name,
                                  store::Kind kind, std::string_view option) {
    if (takes && name.empty()) {
        return fail(Fault::invalid, fmt::format("the recipe needs {}", option),
                    {.where = std::string(option)});
    }
    if (!takes && !name.empty()) {
        return fail(Fault::invalid, fmt::format("the recipe takes no {}", option),
                    {.where = std::string(option)});
    }
    if (!takes) {
        return std::optional<Input>();
    }
    return std::optional(TRY(require_input(store, name, kind)));
}

Result<std::vector<Input>> require_datasets(const store::Store& store,
                                            const std::vector<std::string>& names) {
    if (names.size() > k_max_evaluations) {
        return fail(Fault::invalid,
                    fmt::format("at most {} evaluation datasets", k_max_evaluations));
    }
    std::vector<Input> inputs;
    for (const auto& name : names) {
        inputs.push_back(TRY(require_input(store, name, store::Kind::dataset)));
        TRY(data_file(store, inputs.back()));
    }
    return inputs;
}

Result<void> require_environment(Run& run, std::string_view name, const RequestNeeds& needs) {
    if (const auto image = TRY(needs.find_environment(name))) {
        run.environments.push_back({.name = std::string(name), .digest = *image});
    }
    return {};
}

Result<void> require_engine(Run& run, const RequestNeeds& needs) {
    const auto engines = TRY(fleet::load_engines(needs.places.share / "engines"));
    const auto* engine = TRY(fleet::find_engine(engines, k_evaluation_engine));
    return require_environment(run, engine->environment, needs);
}

std::string default_name(const RunRequest& request, const Recipe& recipe) {
    if (!request.name.empty() || request.base.empty()) {
        return request.name;
    }
    if (recipe.produces == Produces::gguf) {
        return request.base + "/gguf";
    }
    return request.data.empty() ? request.base + "-" + recipe.name
                                : request.base + "-" + request.data;
}

// A name that means something of another kind must not change its meaning.
Result<void> check_result_name(const Run& run, Produces produces, const store::Store& store) {
    if (run.name.empty()) {
        return fail(Fault::invalid, "the result needs a name", {.hint = "--name NAME"});
    }
    TRY(core::check_model_name(run.name));
    const auto holder = TRY(store.resolve(run.name));
    if (!holder) {
        return {};
    }
    const auto kind = TRY(store.manifest(*holder)).kind();
    const auto ours = produces == Produces::adapter ? store::Kind::adapter : store::Kind::model;
    if (kind != ours) {
        return fail(Fault::conflict,
                    fmt::format("'{}' is already the name of a {}", run.name, to_string(kind)),
                    {.hint = "choose another with --name"});
    }
    return {};
}

void mark_stages(Run& run, const Recipe& recipe) {
    for (const auto stage : k_stages) {
        run.stages[stage].state =
            recipe.stage(stage) == nullptr ? StageState::skipped : StageState::waiting;
    }
}

Run new_run(RunKind kind, const core::Clock& clock) {
    return {.id = core::make_id(clock, "run-"), .kind = kind, .created = clock.wall()};
}

// An adapter is judged beside its base; a base alone.
Result<void> resolve_model(Run& run, const std::string& name, const store::Store& store) {
    const auto digest = TRY(store.resolve(name));
    const auto kind = digest ? TRY(store.manifest(*digest)).kind() : store::Kind::model;
    if (!digest || (kind != store::Kind::model && kind != store::Kind::adapter)) {
        TRY(store.require(name, store::Kind::model));  // says what exists
    }
    run.model = Input{.name = name, .digest = *digest};
    if (kind == store::Kind::model) {
        run.base = run.model;
        return {};
    }
    const auto base = TRY(store.base_of(*digest));
    if (!base) {
        return fail(Fault::invalid, "the adapter " + name + " does not say which base it is for");
    }
    run.base = Input{.name = base->str(), .digest = *base};
    for (const auto& named : TRY(store.list(store::Kind::model))) {
        if (named.digest == *base) {
            run.base->name = named.name;
        }
    }
    return {};
}

Result<void> require_adapter_gguf(const Run& run, const store::Store& store) {
    if (run.model->digest == run.base->digest) {
        return {};
    }
    for (const auto& file : TRY(store.files(run.model->digest))) {
        if (file.path.ends_with(".gguf")) {
            return {};
        }
    }
    return fail(Fault::invalid,
                "the adapter " + run.model->name + " has no GGUF file for the engine",
                {.hint = "make it with a recipe that converts, such as sft-lora"});
}

// Without a GGUF of the base the run begins with its conversion.
Result<void> plan_conversion(Run& run, const RequestNeeds& needs) {
    for (const auto stage : k_stages) {
        run.stages[stage] = {};
    }
    run.stages[Stage::train].state = StageState::skipped;
    if (TRY(find_base_gguf(needs.store, *run.base))) {
        run.stages[Stage::convert].state = StageState::skipped;
        return {};
    }
    const auto recipe = TRY(find_recipe(k_convert_recipe, needs.places));
    run.recipe = recipe.name;
    run.recipe_digest = TRY(digest_recipe(recipe));
    return require_environment(run, recipe.environment, needs);
}

}  // namespace

Result<Run> make_run(const RunRequest& request, const RequestNeeds& needs) {
    const auto recipe = TRY(find_recipe(request.recipe, needs.places));
    Run run = new_run(RunKind::tune, needs.clock);
    run.recipe = recipe.name;
    run.parameters = TRY(apply_settings(recipe.parameters, request.settings));
    run.base =
        TRY(take(needs.store, recipe.takes_base, request.base, store::Kind::model, "--base"));
    run.data =
        TRY(take(needs.store, recipe.takes_data, request.data, store::Kind::dataset, "--data"));
    run.evaluations = TRY(require_datasets(needs.store, request.evaluations));
    if (recipe.stage(Stage::evaluate) == nullptr && !run.evaluations.empty()) {
        return fail(Fault::invalid, "the recipe " + recipe.name + " does not evaluate",
                    {.where = "--eval", .hint = "leave --eval out"});
    }
    if (run.data) {
        TRY(data_file(needs.store, *run.data));
    }
    run.name = default_name(request, recipe);
    TRY(check_result_name(run, recipe.produces, needs.store));
    run.recipe_digest = TRY(digest_recipe(recipe));
    TRY(require_environment(run, recipe.environment, needs));
    if (recipe.stage(Stage::evaluate) != nullptr) {
        TRY(require_engine(run, needs));
    }
    mark_stages(run, recipe);
    return run;
}

Result<Run> make_evaluation_run(const EvaluationRequest& request, const RequestNeeds& needs) {
    if (request.data.empty()) {
        return fail(Fault::invalid, "nothing to ask",
                    {.where = "--data", .hint = "name a dataset"});
    }
    if (request.limit < 0) {
        return fail(Fault::invalid, "a limit below zero",
                    {.where = "limit", .hint = "0 means all"});
    }
    Run run = new_run(RunKind::evaluation, needs.clock);
    run.name = request.model;
    TRY(resolve_model(run, request.model, needs.store));
    run.evaluations = TRY(require_datasets(needs.store, request.data));
    run.parameters["eval_limit"] = request.limit;
    TRY(require_adapter_gguf(run, needs.store));
    TRY(plan_conversion(run, needs));
    TRY(require_engine(run, needs));
    return run;
}

}  // namespace sust::tune
