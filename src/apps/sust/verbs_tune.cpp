#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/sust/api.h"
#include "apps/sust/follow.h"
#include "apps/sust/print.h"
#include "core/text.h"
#include "tune/evaluate.h"

namespace sust::cli {
namespace {

const std::vector<Column> k_run_columns{{"id", "RUN"},
                                        {"recipe", "RECIPE"},
                                        {"state", "STATE"},
                                        {"stage", "STAGE"},
                                        {"base", "BASE"},
                                        {"name", "RESULT"},
                                        {"created", "AGE", Column::Form::age}};
const std::vector<Column> k_run_lines{{"id", "run"},
                                      {"recipe", "recipe"},
                                      {"state", "state"},
                                      {"stage", "stage"},
                                      {"reason", "reason"},
                                      {"advice", "next"},
                                      {"model", "model"},
                                      {"base", "base"},
                                      {"data", "data"},
                                      {"placement.backend", "back end"},
                                      {"name", "result name"},
                                      {"result", "result"},
                                      {"progress.step", "step"},
                                      {"progress.steps", "of steps"},
                                      {"progress.loss", "loss"},
                                      {"progress.tokens_per_second", "tokens/s"},
                                      {"progress.eta_seconds", "ETA seconds"},
                                      {"parameters", "parameters"}};

Result<int> recipe_ls(Context& context, const Arguments&) {
    Api api(context);
    print_list(context, TRY(api.list("/api/v1/recipes")),
               {{"name", "NAME"}, {"produces", "PRODUCES"}, {"summary", "SUMMARY"}}, "no recipes");
    return 0;
}

Result<int> recipe_show(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto recipe = TRY(api.get(api_path("recipes", arguments.one("NAME"))));
    print_object(context, recipe,
                 {{"name", "name"}, {"summary", "summary"}, {"environment", "environment"}});
    if (!context.json) {
        constexpr std::size_t k_name = 24;
        std::cout << "\nparameters, for --set NAME=VALUE:\n";
        for (const auto& parameter : recipe.value("parameters", nlohmann::json::array())) {
            const auto value = cell(context, parameter, {"default", ""});
            print_field("  " + text_in(parameter, "name"),
                        {fmt::format("{} ({})", value, text_in(parameter, "range")),
                         text_in(parameter, "reason")},
                        k_name);
        }
    }
    return 0;
}

// Each --backend is an alternative; the scheduler's words hold for all of them.
nlohmann::json placements(const Arguments& arguments) {
    auto list = nlohmann::json::array();
    auto names = arguments.all("--backend");
    if (names.empty() && (arguments.has("--partition") || arguments.has("--account"))) {
        names.emplace_back("local");  // which says that it has none
    }
    for (const auto& name : names) {
        nlohmann::json placement{{"backend", name}};
        for (const char* word : {"partition", "account"}) {
            if (const auto said = arguments.get(fmt::format("--{}", word))) {
                placement[word] = *said;
            }
        }
        list.push_back(std::move(placement));
    }
    return list;
}

Result<int> tune_start(Context& context, const Arguments& arguments) {
    const auto parameters = TRY(arguments.pairs("--set"));
    nlohmann::json request{{"recipe", arguments.one("RECIPE")}, {"parameters", parameters}};
    for (const char* option : {"base", "data", "name"}) {
        if (const auto said = arguments.get(fmt::format("--{}", option))) {
            request[option] = *said;
        }
    }
    if (arguments.has("--eval")) {
        request["evaluations"] = arguments.all("--eval");
    }
    if (auto placement = placements(arguments); !placement.empty()) {
        request["placement"] = std::move(placement);
    }
    Api api(context);
    const auto run = TRY(api.post("/api/v1/runs", request));
    const auto id = run.value("id", std::string());
    if (arguments.has("--follow")) {
        return follow_run(context, api, id);
    }
    print_done(context, run,
               fmt::format("{} started; follow it with: sust tune logs {} --follow", id, id));
    return 0;
}

Result<int> tune_ls(Context& context, const Arguments&) {
    Api api(context);
    print_list(context, TRY(api.list("/api/v1/runs")), k_run_columns,
               "no runs; start one with: sust tune start RECIPE --base MODEL --data DATASET");
    return 0;
}

Result<int> tune_show(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto run = TRY(api.get(api_path("runs", arguments.one("RUN"))));
    print_object(context, run, k_run_lines);
    if (!context.json) {
        print_field("evaluation", evaluation_lines(run.value("evaluation", nlohmann::json())));
    }
    return 0;
}

Result<int> tune_logs(Context& context, const Arguments& arguments) {
    Api api(context);
    std::string target = api_path("runs", arguments.one("RUN"), "/logs") + "?stream=both";
    if (const auto stage = arguments.get("--stage")) {
        target += "&stage=" + core::percent_encode(*stage);
    }
    TRY(print_log(context, api, target, arguments.has("--follow") ? Follow::yes : Follow::no));
    return 0;
}

Result<int> tune_cancel(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto& id = arguments.one("RUN");
    print_done(
        context, TRY(api.post(api_path("runs", id, "/cancel"), nlohmann::json::object())),
        fmt::format("{} is being cancelled; sust tune resume {} goes on from its last checkpoint",
                    id, id));
    return 0;
}

Result<int> tune_resume(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto& id = arguments.one("RUN");
    const auto run = TRY(api.post(api_path("runs", id, "/resume"), nlohmann::json::object()));
    if (arguments.has("--follow")) {
        return follow_run(context, api, id);
    }
    print_done(context, run, fmt::format("{} goes on", id));
    return 0;
}

Result<int> tune_rm(Context& context, const Arguments& arguments) {
    const auto& id = arguments.one("RUN");
    TRY(confirm(context, fmt::format("forget {} with its checkpoints and logs?", id)));
    Api api(context);
    print_done(context, TRY(api.remove(api_path("runs", id))),
               fmt::format("{} removed; what it registered stays, sust gc frees the rest", id));
    return 0;
}

Result<int> eval_run(Context& context, const Arguments& arguments) {
    nlohmann::json request{{"model", arguments.one("MODEL")}, {"data", arguments.all("--data")}};
    if (const auto limit = TRY(arguments.integer("--limit"))) {
        request["limit"] = *limit;
    }
    Api api(context);
    const auto run = TRY(api.post("/api/v1/evaluations", request));
    return follow_run(context, api, run.value("id", std::string()));
}

// The evaluate stage's job runs this; its log is the job's.
Result<int> internal_evaluate(Context& context, const Arguments& arguments) {
    const core::Log log(context.clock, "evaluate", STDERR_FILENO, core::LogForm::text);
    return tune::run_evaluation(arguments.one("SPEC"), context.places, context.clock, log);
}

std::vector<Verb> evaluation_verbs() {
    return {{.path = "eval run",
             .summary = "ask a model the questions of a dataset and count the right answers",
             .positionals = {{"MODEL", "the model", Count::one, Completes::models}},
             .options = {{"--data", "DATASET", "the questions", Count::any, Completes::datasets},
                         {"--limit", "N", "at most so many questions of each dataset"}},
             .examples = {"sust eval run triage --data tickets-known"},
             .run = eval_run},
            {.path = "internal-evaluate",
             .summary = "the evaluate stage of a run",
             .positionals = {{"SPEC", "evaluator.spec.json", Count::one, Completes::files}},
             .run = internal_evaluate,
             .shown = Verb::Shown::no}};
}

Verb start_verb() {
    return {
        .path = "tune start",
        .summary = "apply a recipe: prepare, train, convert, evaluate, register",
        .positionals = {{"RECIPE", "the recipe", Count::one, Completes::recipes}},
        .options = {{"--base", "MODEL", "the model to start from", Count::optional,
                     Completes::models},
                    {"--data", "DATASET", "the training data", Count::optional,
                     Completes::datasets},
                    {"--eval", "DATASET", "judge on this dataset; without it a tenth is held out",
                     Count::any, Completes::datasets},
                    {"--name", "NAME", "name of the result (default: BASE-DATASET)"},
                    {"--set", "KEY=VALUE", "a recipe parameter (sust recipe show)", Count::any,
                     Completes::parameters},
                    {"--backend", "NAME",
                     "where its jobs run; several are alternatives, the first that can is taken",
                     Count::any, Completes::backends},
                    {"--partition", "NAME", "of that back end"},
                    {"--account", "NAME", "charged by that back end"},
                    {"--follow", "", "stay until the end and show progress", Count::optional,
                     Completes::nothing, "-f"}},
        .examples =
            {"sust tune start sft-lora --base tiny --data tickets --name triage --follow",
             "sust tune start sft-lora --base tiny --data tickets --set epochs=1 --set rank=8",
             "sust tune start sft-lora --base tiny --data tickets --backend alps --account a01"},
        .run = tune_start};
}

}  // namespace

std::vector<Verb> tune_verbs() {
    const Positional recipe{"NAME", "the recipe", Count::one, Completes::recipes};
    const Positional run{"RUN", "the run's identifier", Count::one, Completes::runs};
    std::vector<Verb> verbs{
        {.path = "recipe ls",
         .summary = "tuning recipes",
         .examples = {"sust recipe ls"},
         .run = recipe_ls},
        {.path = "recipe show",
         .summary = "a recipe's parameters, their ranges and the reasons",
         .positionals = {recipe},
         .examples = {"sust recipe show sft-lora"},
         .run = recipe_show},
        start_verb(),
        {.path = "tune ls", .summary = "all runs", .examples = {"sust tune ls"}, .run = tune_ls},
        {.path = "tune show",
         .summary = "one run",
         .positionals = {run},
         .examples = {"sust tune show run-01k..."},
         .run = tune_show},
        {.path = "tune logs",
         .summary = "what a run's stages printed",
         .positionals = {run},
         .options = {{"--stage", "STAGE", "train, convert or evaluate; without it the current one"},
                     {"--follow", "", "go on with what is added", Count::optional,
                      Completes::nothing, "-f"}},
         .examples = {"sust tune logs run-01k... --follow"},
         .run = tune_logs},
        {.path = "tune cancel",
         .summary = "end a run; its checkpoints stay",
         .positionals = {run},
         .examples = {"sust tune cancel run-01k..."},
         .run = tune_cancel},
        {.path = "tune resume",
         .summary = "go on with a run from its last checkpoint",
         .positionals = {run},
         .options = {{"--follow", "", "stay until the end and show progress", Count::optional,
                      Completes::nothing, "-f"}},
         .examples = {"sust tune resume run-01k... --follow"},
         .run = tune_resume},
        {.path = "tune rm",
         .summary = "forget an ended run, its checkpoints and logs; what it registered stays",
         .positionals = {run},
         .examples = {"sust tune rm run-01k..."},
         .run = tune_rm}};
    for (auto& verb : evaluation_verbs()) {
        verbs.push_back(std::move(verb));
    }
    return verbs;
}

}  // namespace sust::cli
