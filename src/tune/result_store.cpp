#include "tune/result_store.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "store/lineage.h"
#include "tune/provenance.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Path;
using core::Result;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t k_max_files = 256;
constexpr std::size_t k_max_evaluation_bytes = 1 << 20;

Result<store::File> put(store::Store& store, const Path& file, std::string path) {
    const auto descriptor = TRY(store.put_file(file, {}));
    return store::File{
        .path = std::move(path), .digest = descriptor.digest, .size = descriptor.size};
}

Result<std::vector<store::File>> put_folder(store::Store& store, const Path& folder) {
    std::vector<store::File> files;
    std::error_code code;
    for (auto at = fs::recursive_directory_iterator(folder, code);
         !code && at != fs::recursive_directory_iterator(); at.increment(code)) {
        if (at->is_symlink() || !at->is_regular_file()) {
            continue;
        }
        if (files.size() == k_max_files) {
            return fail(Fault::too_large, "a result of over 256 files", {.where = folder.string()});
        }
        files.push_back(
            TRY(put(store, at->path(), at->path().lexically_relative(folder).string())));
    }
    if (code) {
        return core::fail_errno("read the result in " + folder.string(), code.value());
    }
    if (files.empty()) {
        return fail(Fault::internal, "the recipe's program made no files",
                    {.where = folder.string()});
    }
    std::sort(files.begin(), files.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    return files;
}

// A README that says where the adapter belongs; of the inputs only, so that the digest is theirs.
std::string adapter_readme(const Run& run) {
    return fmt::format(
        "# {}\n\nA LoRA adapter in PEFT's format (and as GGUF) for the base `{}`\n({}), made with "
        "the recipe `{}`.\nIt answers only together with that base.\n",
        run.name, run.base->name, run.base->digest.str(), run.recipe);
}

store::ModelFacts facts_of(const Run& run, std::string format) {
    return {.name = run.name, .format = std::move(format)};
}

Result<store::Descriptor> store_adapter(const Run& run, const WorkFolder& work,
                                        store::Store& store) {
    auto files = TRY(put_folder(store, work.path / "adapter"));
    const auto has = [&](std::string_view path) {
        return std::any_of(files.begin(), files.end(),
                           [&](const auto& file) { return file.path == path; });
    };
    if (!has("adapter_config.json") || !has("adapter_model.safetensors")) {
        return fail(Fault::internal, "the recipe's program made no adapter in PEFT's format",
                    {.where = (work.path / "adapter").string()});
    }
    if (core::path_exists(work.adapter_gguf())) {
        files.push_back(TRY(put(store, work.adapter_gguf(), "adapter.gguf")));
    }
    if (!has("README.md")) {
        const auto blob = TRY(store.put_bytes(adapter_readme(run), {}));
        files.push_back({.path = "README.md", .digest = blob.digest, .size = blob.size});
    }
    return store.put_model(store::Kind::adapter, std::move(files), facts_of(run, "peft"),
                           run.base->digest);
}

Result<store::Descriptor> store_model(const Run& run, const WorkFolder& work, store::Store& store) {
    auto files = TRY(put_folder(store, work.path / "model"));
    return store.put_model(store::Kind::model, std::move(files), facts_of(run, "safetensors"));
}

Result<store::Descriptor> store_gguf(const std::string& name, const WorkFolder& work,
                                     store::Store& store) {
    std::vector<store::File> files;
    files.push_back(TRY(put(store, work.base_gguf(), "base.gguf")));
    return store.put_model(store::Kind::model, std::move(files), {.name = name, .format = "gguf"});
}

// The base as the engine reads it: kept once per base, whatever becomes of the run.
Result<void> keep_base_gguf(const Run& run, const WorkFolder& work, store::Store& store) {
    if (!run.base || !core::path_exists(work.base_gguf()) ||
        TRY(find_base_gguf(store, *run.base))) {
        return {};
    }
    const std::string name = run.base->name + "/gguf";
    const auto gguf = TRY(store_gguf(name, work, store));
    auto provenance = TRY(provenance_of(run, work, name));
    std::erase_if(provenance.dependencies, [](const auto& one) {
        return one.name == "data" || one.name.starts_with("evaluation:") ||
               one.name.starts_with("fetched:");
    });
    TRY(store.attach_statement(gguf.digest, store::provenance_statement(gguf.digest, provenance)));
    return store.set_name(name, gguf.digest);
}

Result<std::optional<Evaluation>> read_evaluation(const Run& run, const WorkFolder& work) {
    const auto record = run.stages.find(Stage::evaluate);
    if (record == run.stages.end() || record->second.state == StageState::skipped) {
        return std::optional<Evaluation>();
    }
    const auto text = TRY(core::read_file(work.evaluation(), k_max_evaluation_bytes));
    return std::optional(TRY(core::within(
        work.evaluation().string(), evaluation_from_json(json::parse(text, nullptr, false)))));
}

Result<store::Descriptor> store_artifact(const Run& run, Produces produces, const WorkFolder& work,
                                         store::Store& store) {
    switch (produces) {
        case Produces::adapter:
            return store_adapter(run, work, store);
        case Produces::model:
            return store_model(run, work, store);
        case Produces::gguf:
            return store_gguf(run.name, work, store);
    }
    return fail(Fault::internal, "a recipe that produces nothing");
}

Result<void> attach_evaluation(const Run& run, const Evaluation& evaluation,
                               const store::Digest& subject, store::Store& store) {
    json predicate = evaluation;
    predicate["run"] = run.id;
    const auto name = run.kind == RunKind::evaluation && run.model ? run.model->name : run.name;
    TRY(store.attach_statement(subject,
                               store::evaluation_statement(subject, name, predicate.dump())));
    return {};
}

Result<StoredResult> store_tuned(const Run& run, const WorkFolder& work, store::Store& store) {
    const Path file = work.recipe() / "recipe.toml";
    const auto recipe = TRY(parse_recipe(TRY(core::read_file(file, 1 << 20)), file));
    auto evaluation = TRY(read_evaluation(run, work));
    TRY(keep_base_gguf(run, work, store));
    const auto artifact = TRY(store_artifact(run, recipe.produces, work, store));
    StoredResult stored{.digest = artifact.digest, .judgement = {.promotion = Promotion::promote}};
    const auto provenance = TRY(provenance_of(run, work, run.name));
    TRY(store.attach_statement(artifact.digest,
                               store::provenance_statement(artifact.digest, provenance)));
    if (evaluation) {
        TRY(attach_evaluation(run, *evaluation, artifact.digest, store));
        stored.judgement =
            judge(*evaluation, promotion_limits(run.parameters), run.parameters, recipe.parameters);
        stored.evaluation = std::move(evaluation);
    }
    return stored;
}

Result<StoredResult> store_evaluation(const Run& run, const WorkFolder& work, store::Store& store) {
    auto evaluation = TRY(read_evaluation(run, work));
    TRY(keep_base_gguf(run, work, store));
    TRY(attach_evaluation(run, *evaluation, run.model->digest, store));
    return StoredResult{.digest = run.model->digest,
                        .evaluation = std::move(evaluation),
                        .judgement = {.promotion = Promotion::promote}};
}

store::Root root_of(const Run& run, core::WallTime since) {
    store::Root root{
        .kind = "run",
        .id = run.id,
        .owner = fmt::format("run {} ({})", run.id, run.recipe.empty() ? "evaluation" : run.recipe),
        .since = since};
    for (const auto* input : {&run.base, &run.model, &run.data}) {
        if (*input) {
            root.holds.push_back((*input)->digest);
        }
    }
    for (const auto* list : {&run.evaluations, &run.environments}) {
        for (const auto& input : *list) {
            root.holds.push_back(input.digest);
        }
    }
    return root;
}

}  // namespace

Result<StoredResult> store_result(const Run& run, const core::Places& places, store::Store& store) {
    const WorkFolder work(places, run);
    auto stored = TRY(run.kind == RunKind::tune ? store_tuned(run, work, store)
                                                : store_evaluation(run, work, store));
    auto root = root_of(run, run.created);
    root.holds.push_back(stored.digest);
    TRY(store.set_root(root));
    return stored;
}

Result<void> hold_inputs(const Run& run, store::Store& store) {
    return store.set_root(root_of(run, run.created));
}

}  // namespace sust::tune
