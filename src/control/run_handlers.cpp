#include <algorithm>

#include <nlohmann/json.hpp>

#include "control/json_body.h"
#include "control/routes.h"
#include "control/run_log.h"
#include "core/toml.h"

namespace sust::control {

using nlohmann::json;

namespace {

Result<Answer> list_recipes(Desk& desk, Ask& ask) {
    auto recipes = TRY(tune::list_recipes(desk.parts.places));
    std::ranges::sort(recipes, {}, &tune::Recipe::name);
    return Answer(TRY(page(ask, json(recipes), "name")));
}

Result<Answer> show_recipe(Desk& desk, Ask& ask) {
    return Answer(
        json_answer(200, json(TRY(tune::find_recipe(ask.name("name"), desk.parts.places)))));
}

Result<Answer> created(const tune::Run& run) {
    auto response = json_answer(201, json(run));
    response.headers.set("Location", "/api/v1/runs/" + run.id);
    return Answer(std::move(response));
}

Result<Answer> start_run(Desk& desk, Ask& ask) {
    auto body = TRY(JsonBody::parse(ask.exchange->request().body));
    tune::RunRequest request;
    request.recipe = TRY(body.required_text("recipe"));
    request.base = TRY(body.text("base")).value_or("");
    request.data = TRY(body.text("data")).value_or("");
    request.evaluations = TRY(body.texts("evaluations"));
    request.name = TRY(body.text("name")).value_or("");
    if (const auto* parameters = body.raw("parameters")) {
        request.settings = TRY(tune::settings_from_json(*parameters));
    }
    if (const auto* placement = body.raw("placement")) {
        request.placement = TRY(cluster::read_placements(
            TRY(core::TomlTable::from_json(json{{"placement", *placement}}.dump(), "body"))));
    }
    TRY(body.no_other_keys());
    return created(TRY(desk.parts.runs.start(request)));
}

Result<Answer> start_evaluation(Desk& desk, Ask& ask) {
    auto body = TRY(JsonBody::parse(ask.exchange->request().body));
    tune::EvaluationRequest request;
    request.model = TRY(body.required_text("model"));
    request.data = TRY(body.texts("data"));
    request.limit = TRY(body.integer("limit")).value_or(0);
    TRY(body.no_other_keys());
    return created(TRY(desk.parts.runs.evaluate(request)));
}

Result<Answer> list_runs(Desk& desk, Ask& ask) {
    const auto limit = static_cast<std::size_t>(TRY(ask.number("limit", 100, 1, 1000)));
    const auto runs = TRY(desk.parts.runs.list(ask.parameter("after"), limit));
    const auto next = runs.size() == limit ? json(runs.back().id) : json();
    return Answer(json_answer(200, {{"items", json(runs)}, {"next", next}}));
}

Result<Answer> show_run(Desk& desk, Ask& ask) {
    return Answer(json_answer(200, json(TRY(desk.parts.runs.show(ask.name("id"))))));
}

Result<Answer> cancel_run(Desk& desk, Ask& ask) {
    return Answer(json_answer(200, json(TRY(desk.parts.runs.cancel(ask.name("id"))))));
}

Result<Answer> resume_run(Desk& desk, Ask& ask) {
    return Answer(json_answer(200, json(TRY(desk.parts.runs.resume(ask.name("id"))))));
}

Result<Answer> remove_run(Desk& desk, Ask& ask) {
    return Answer(json_answer(200, json(TRY(desk.parts.runs.remove(ask.name("id"))))));
}

Result<Answer> follow_run(Desk& desk, Ask& ask) {
    TRY(desk.followers.add(ask.exchange, TRY(desk.parts.runs.show(ask.name("id")))));
    return Answer();
}

Result<Answer> run_log(Desk& desk, Ask& ask) {
    const auto run = TRY(desk.parts.runs.show(ask.name("id")));
    std::optional<tune::Stage> stage;
    if (const auto said = ask.parameter("stage"); !said.empty()) {
        stage = tune::parse_stage(said);
        if (!stage) {
            return fail(Fault::invalid, "no stage has this name",
                        {.where = "query", .hint = "prepare, train, convert, evaluate, register"});
        }
    }
    const auto stream = TRY(run_stream_of(ask.parameter("stream")));
    const auto cursor = TRY(ask.number("offset", 0, 0, INT64_MAX));
    return Answer(json_answer(200, TRY(read_run_log(desk.parts.runs, run, stage, stream,
                                                    static_cast<std::uint64_t>(cursor)))));
}

}  // namespace

std::vector<Route> run_routes() {
    return {{"GET", "/api/v1/recipes", "List recipes", list_recipes, {"after", "limit"}},
            {"GET", "/api/v1/recipes/{name}", "Show a recipe and its parameters", show_recipe},
            {"POST", "/api/v1/runs", "Start a run of a recipe", start_run, {}, Effect::creates},
            {"GET", "/api/v1/runs", "List runs, newest first", list_runs, {"after", "limit"}},
            {"GET", "/api/v1/runs/{id}", "Show a run", show_run},
            {"DELETE",
             "/api/v1/runs/{id}",
             "Remove a run that has ended; what it registered stays",
             remove_run,
             {},
             Effect::changes},
            {"GET",
             "/api/v1/runs/{id}/logs",
             "Read what a run's jobs print",
             run_log,
             {"stage", "stream", "offset"}},
            {"GET", "/api/v1/runs/{id}/events", "Follow a run by server-sent events", follow_run},
            {"POST", "/api/v1/runs/{id}/cancel", "Cancel a run", cancel_run, {}, Effect::changes},
            {"POST",
             "/api/v1/runs/{id}/resume",
             "Go on with a run from its last checkpoint",
             resume_run,
             {},
             Effect::changes},
            {"POST",
             "/api/v1/evaluations",
             "Evaluate a model on datasets",
             start_evaluation,
             {},
             Effect::creates}};
}

}  // namespace sust::control
