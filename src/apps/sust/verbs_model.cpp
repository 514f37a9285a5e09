#include <algorithm>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/print.h"
#include "core/text.h"
#include "tune/model_check.h"

namespace sust::cli {
namespace {

const std::vector<Column> k_columns{{"name", "NAME"},
                                    {"kind", "KIND"},
                                    {"base", "BASE"},
                                    {"bytes", "SIZE", Column::Form::bytes},
                                    {"digest", "DIGEST", Column::Form::digest}};

// Plain files, and links to such, which is what the folders of a Hugging Face cache hold.
Result<void> check_part(const std::filesystem::directory_entry& entry) {
    const auto refuse = [&](std::string_view what) {
        return core::fail(Fault::invalid, std::string(what),
                          {.where = entry.path().string(), .hint = "remove it from the directory"});
    };
    std::error_code error;
    const bool plain = entry.is_regular_file(error);
    if (plain) {
        return {};
    }
    if (!entry.is_symlink(error)) {
        return refuse("only plain files can be part of a model");
    }
    return refuse(entry.exists(error) ? "a link to a directory cannot be part of a model"
                                      : "a link to what is not there");
}

// The files below the directory in a fixed order, each under its own path there.
Result<std::vector<tune::ModelFile>> files_below(const core::Path& directory) {
    constexpr std::size_t k_max_files = 10'000;
    std::error_code error;
    std::vector<tune::ModelFile> files;
    for (auto it = std::filesystem::recursive_directory_iterator(directory, error);
         !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
        if (it->is_directory(error) && !it->is_symlink(error)) {
            continue;
        }
        error.clear();  // of a link that leads to itself: check_part names it
        TRY(check_part(*it));
        files.push_back({.path = it->path().lexically_relative(directory).generic_string(),
                         .place = it->path()});
        if (files.size() > k_max_files) {
            return core::fail(Fault::too_large, fmt::format("more than {} files", k_max_files),
                              {.where = directory.string()});
        }
    }
    if (error) {
        return core::fail_errno("read " + directory.string(), error.value());
    }
    if (files.empty()) {
        return core::fail(Fault::invalid, "there is no file in it", {.where = directory.string()});
    }
    std::sort(files.begin(), files.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    return files;
}

Result<int> model_import(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("--name");
    TRY(core::check_model_name(name));
    const core::Path directory = arguments.one("DIR");
    const auto files = TRY(files_below(directory));
    TRY(core::within(directory.string(), tune::check_model(files, store::Kind::model)));
    Api api(context);
    auto uploaded = nlohmann::json::array();
    Progress progress(context);
    for (const auto& file : files) {
        progress.show(fmt::format("{}/{} {}", uploaded.size() + 1, files.size(), file.path));
        uploaded.push_back(TRY(api.upload(file.place, file.path)));
    }
    progress.finish();
    const auto made = TRY(api.post("/api/v1/models", {{"name", name}, {"files", uploaded}}));
    print_done(context, made,
               fmt::format("model {} imported ({})", name, made.value("digest", "")));
    return 0;
}

Result<int> model_ls(Context& context, const Arguments&) {
    Api api(context);
    print_list(context, TRY(api.list("/api/v1/models")), k_columns,
               "no models; import one with: sust model import DIR --name NAME");
    return 0;
}

Result<int> model_show(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto model = TRY(api.get(api_path("models", arguments.one("NAME"))));
    print_object(context, model, k_columns);
    if (!context.json) {
        for (const auto& file : model.value("files", nlohmann::json::array())) {
            std::cout << fmt::format("{:<14} {}  {}\n", "file", file.value("path", ""),
                                     core::format_size(file.value("bytes", std::uint64_t{0})));
        }
    }
    return 0;
}

// "adapter triage sha256:0123456789ab", as much of it as is known.
std::string title_of(const nlohmann::json& node) {
    const auto names = node.value("names", std::vector<std::string>());
    auto called = names.empty() ? text_in(node, "uri") : core::join(names, ", ");
    auto title = fmt::format("{} {} {}", text_in(node, "kind"), called,
                             text_in(node, "digest").substr(0, 19));
    if (!node.value("present", true)) {
        title += " (not in this store)";
    }
    return std::string(core::trim(title)) + (node.value("told_above", false) ? " (see above)" : "");
}

void print_evaluations(const nlohmann::json& node, const std::string& indent) {
    for (const auto& evaluation : node.value("evaluations", nlohmann::json::array())) {
        const auto result = evaluation.value("result", nlohmann::json::object());
        for (const auto& data : result.value("datasets", nlohmann::json::array())) {
            std::cout << fmt::format("{}evaluated on {}: base {}, tuned {}\n", indent,
                                     text_in(data, "name"), percent_in(data, "base_accuracy"),
                                     percent_in(data, "tuned_accuracy"));
        }
        const auto perplexity = result.find("perplexity");
        if (perplexity != result.end() && perplexity->is_object()) {
            std::cout << fmt::format("{}held-out perplexity: base {}, tuned {}\n", indent,
                                     number_in(*perplexity, "base"),
                                     number_in(*perplexity, "tuned"));
        }
    }
}

// One artifact and, indented below it, how it was judged and what it was made from.
void print_tree(const nlohmann::json& node, int depth) {
    const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
    const auto label = text_in(node, "name");
    std::cout << indent << (label.empty() ? "" : label + ": ") << title_of(node) << '\n';
    print_evaluations(node, indent + "  ");
    for (const auto& made : node.value("provenance", nlohmann::json::array())) {
        std::cout << fmt::format("{}  made by {}, finished {}, from\n", indent,
                                 text_in(made, "run"), text_in(made, "finished"));
        for (const auto& from : made.value("from", nlohmann::json::array())) {
            print_tree(from, depth + 2);
        }
    }
    if (node.contains("base")) {
        print_tree(node["base"], depth + 1);
    } else if (depth == 0 && node.value("provenance", nlohmann::json::array()).empty()) {
        std::cout << "  brought in: nothing is on record about how it was made\n";
    }
}

Result<int> model_lineage(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto tree = TRY(api.get(api_path("models", arguments.one("NAME"), "/lineage")));
    if (context.json) {
        print_json(tree);
    } else {
        print_tree(tree, 0);
    }
    return 0;
}

Result<int> model_rm(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("NAME");
    TRY(confirm(context, fmt::format("remove the name of model {}?", name)));
    Api api(context);
    print_done(context, TRY(api.remove(api_path("models", name))),
               fmt::format("model {} removed; sust gc frees its bytes", name));
    return 0;
}

}  // namespace

std::vector<Verb> model_verbs() {
    const Positional name{"NAME", "the model", Count::one, Completes::models};
    return {{.path = "model import",
             .summary = "keep a directory as a model",
             .positionals = {{"DIR", "config.json, tokenizer.json, *.safetensors ...", Count::one,
                              Completes::folders}},
             .options = {{"--name", "NAME", "the model's name", Count::one}},
             .examples = {"sust model import models/tiny --name tiny"},
             .run = model_import},
            {.path = "model ls",
             .summary = "all models and adapters",
             .examples = {"sust model ls"},
             .run = model_ls},
            {.path = "model show",
             .summary = "one model and its files",
             .positionals = {name},
             .examples = {"sust model show tiny"},
             .run = model_show},
            {.path = "model lineage",
             .summary = "what a model was made from, and how it was judged",
             .positionals = {name},
             .examples = {"sust model lineage triage"},
             .run = model_lineage},
            {.path = "model rm",
             .summary = "remove a model's name; refused while something uses it",
             .positionals = {name},
             .examples = {"sust model rm triage --yes"},
             .run = model_rm}};
}

}  // namespace sust::cli
