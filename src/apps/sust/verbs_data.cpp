#include <filesystem>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/data_report.h"
#include "apps/sust/print.h"
#include "core/text.h"

namespace sust::cli {
namespace {

const std::vector<Column> k_columns{{"name", "NAME"},
                                    {"format", "FORMAT"},
                                    {"lines", "LINES"},
                                    {"bytes", "SIZE", Column::Form::bytes},
                                    {"digest", "DIGEST", Column::Form::digest}};

Result<int> data_check(Context& context, const Arguments& arguments) {
    return report_data(context, arguments.one("FILE"));
}

Result<int> data_add(Context& context, const Arguments& arguments) {
    const std::string& name = arguments.one("--name");
    TRY(core::check_name("dataset name", name));
    const core::Path file = arguments.one("FILE");
    const auto format = TRY(require_good_data(context, file));
    Api api(context);
    const auto uploaded = TRY(api.upload(file, "train.jsonl"));
    const auto made = TRY(api.post(
        "/api/v1/datasets",
        {{"name", name}, {"format", format}, {"files", nlohmann::json::array({uploaded})}}));
    print_done(context, made,
               fmt::format("dataset {} added ({})", name, made.value("digest", std::string())));
    return 0;
}

Result<int> data_show(Context& context, const Arguments& arguments) {
    Api api(context);
    print_object(context, TRY(api.get(api_path("datasets", arguments.one("NAME")))), k_columns);
    return 0;
}

Result<int> data_ls(Context& context, const Arguments&) {
    Api api(context);
    print_list(context, TRY(api.list("/api/v1/datasets")), k_columns,
               "no datasets; add one with: sust data add FILE --name NAME");
    return 0;
}

Result<int> data_rm(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("NAME");
    TRY(confirm(context, fmt::format("remove dataset {}?", name)));
    Api api(context);
    print_done(context, TRY(api.remove(api_path("datasets", name))),
               fmt::format("dataset {} removed", name));
    return 0;
}

}  // namespace

std::vector<Verb> data_verbs() {
    const Positional file{"FILE", "JSON lines: chat (messages) or completions (prompt, completion)",
                          Count::one, Completes::files};
    const Positional name{"NAME", "the dataset", Count::one, Completes::datasets};
    return {{.path = "data check",
             .summary = "check training data; every error by line (works without sustd)",
             .positionals = {file},
             .examples = {"sust data check train.jsonl", "sust data check train.jsonl --json"},
             .run = data_check},
            {.path = "data add",
             .summary = "check a file and keep it as a dataset",
             .positionals = {file},
             .options = {{"--name", "NAME", "the dataset's name", Count::one}},
             .examples = {"sust data add train.jsonl --name tickets"},
             .run = data_add},
            {.path = "data show",
             .summary = "one dataset",
             .positionals = {name},
             .examples = {"sust data show tickets"},
             .run = data_show},
            {.path = "data ls",
             .summary = "all datasets",
             .examples = {"sust data ls"},
             .run = data_ls},
            {.path = "data rm",
             .summary = "remove a dataset; refused while something uses it",
             .positionals = {name},
             .examples = {"sust data rm tickets --yes"},
             .run = data_rm}};
}

}  // namespace sust::cli
