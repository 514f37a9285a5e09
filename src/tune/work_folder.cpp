#include "tune/work_folder.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/statvfs.h>

#include "core/text.h"
#include "tune/split.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Path;
using core::Result;
using nlohmann::json;

namespace {

// A writer holds the lease's lock for the time of a rename.
constexpr auto k_lease_wait = std::chrono::seconds(10);
// Converted base, adapter, optimizer state and two checkpoints together, as a multiple of the base.
constexpr std::uint64_t k_bases_needed = 3;

Result<void> copy_programs(const Run& run, const WorkFolder& work, const core::Places& places) {
    if (!run.recipe_digest) {
        return {};
    }
    const auto recipe = TRY(find_recipe(run.recipe, places));
    const auto digest = TRY(copy_recipe(recipe, work.path));
    if (digest != *run.recipe_digest) {
        return fail(Fault::conflict,
                    "the recipe " + run.recipe + " was changed since the run was started",
                    {.where = recipe.folder.string(), .hint = "start a new run"});
    }
    return {};
}

Result<std::uint64_t> artifact_bytes(const store::Store& store, const store::Digest& digest) {
    std::uint64_t bytes = 0;
    for (const auto& file : TRY(store.files(digest))) {
        bytes += file.size;
    }
    return bytes;
}

bool wants_split(const Run& run) {
    const auto evaluate = run.stages.find(Stage::evaluate);
    return run.kind == RunKind::tune && run.data && run.evaluations.empty() &&
           evaluate != run.stages.end() && evaluate->second.state != StageState::skipped;
}

Result<store::File> file_ending(const std::vector<store::File>& files, std::string_view ending) {
    for (const auto& file : files) {
        if (file.path.ends_with(ending)) {
            return file;
        }
    }
    return fail(Fault::not_found, "no *" + std::string(ending) + " file in it");
}

// Was the artifact made from that base? Its provenance says.
Result<bool> made_from(const store::Store& store, const store::Digest& artifact,
                       const store::Digest& base) {
    for (const auto& text : TRY(store.statements(artifact))) {
        const auto statement = json::parse(text, nullptr, false);
        const auto path = json::json_pointer("/predicate/buildDefinition/resolvedDependencies");
        if (!statement.is_object() || !statement.contains(path) || !statement[path].is_array()) {
            continue;
        }
        for (const auto& dependency : statement[path]) {
            if (dependency.value("name", "") == "base" &&
                dependency.value(json::json_pointer("/digest/sha256"), "") == base.hex()) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

Result<void> prepare_work(const Run& run, const core::Places& places, const store::Store& store,
                          const core::Clock& clock) {
    const WorkFolder work(places, run);
    TRY(core::make_directories(work.path, 0700));
    TRY(copy_programs(run, work, places));
    if (wants_split(run)) {
        TRY(core::make_directories(work.path / "data"));
        const auto file = TRY(data_file(store, *run.data));
        TRY(split_data(store.blob_path(file.digest), work.train_split(), work.heldout()));
    }
    return raise_lease(work, run.epoch, clock);
}

Result<void> raise_lease(const WorkFolder& work, std::int64_t epoch, const core::Clock& clock) {
    const auto lock =
        TRY(core::FileLock::acquire(work.lease(), core::Deadline(clock, k_lease_wait)));
    const auto text = TRY(core::read_file_if_any(work.lease(), 4096)).value_or("");
    const auto held = json::parse(text, nullptr, false);
    const auto now = held.is_object() ? held.value("epoch", std::int64_t{0}) : 0;
    if (now > epoch) {
        return fail(Fault::conflict, fmt::format("the lease is at epoch {}, past {}", now, epoch),
                    {.where = work.lease().string()});
    }
    if (now == epoch) {
        return {};
    }
    return core::write_file(work.lease(), json{{"epoch", epoch}}.dump() + "\n");
}

Result<void> write_stage_spec(const WorkFolder& work, const Run& run, Stage stage, int threads) {
    json spec{{"format", 1},
              {"run", run.id},
              {"stage", to_string(stage)},
              {"epoch", run.epoch},
              {"threads", threads},
              // Those of an evaluation are its evaluator's; the conversion before it has none.
              {"parameters",
               run.kind == RunKind::tune ? parameters_json(run.parameters) : json::object()},
              {"base", nullptr},
              {"data", nullptr},
              {"work", "/sust/work"},
              {"lease", "/sust/work/lease.json"}};
    if (run.base) {
        spec["base"] = "/sust/base";
    }
    if (run.data) {
        spec["data"] = "/sust/data/train.jsonl";
    }
    return core::write_file(work.spec(stage), spec.dump(2) + "\n");
}

Result<std::uint64_t> bytes_needed(const Run& run, const store::Store& store) {
    std::uint64_t needed = 0;
    if (run.base && run.kind == RunKind::tune) {
        needed += k_bases_needed * TRY(artifact_bytes(store, run.base->digest));
    }
    if (wants_split(run)) {
        needed += TRY(artifact_bytes(store, run.data->digest));
    }
    return needed;
}

Result<void> check_disk(const Path& folder, std::uint64_t needed, std::uint64_t reserve) {
    TRY(core::make_directories(folder, 0700));
    const auto free = TRY(core::free_bytes(folder));
    if (free < needed + reserve) {
        return fail(Fault::exhausted,
                    fmt::format("too little disk: {} free, {} needed", core::format_size(free),
                                core::format_size(needed + reserve)),
                    {.where = folder.string(), .hint = "sust gc --dry-run shows what can go"});
    }
    return {};
}

Result<void> trim_work(const WorkFolder& work) {
    for (const auto* folder :
         {"checkpoints", "adapter", "gguf", "model", "data", "engine", "recipe", "common"}) {
        TRY(core::remove_tree(work.path / folder));
    }
    return {};
}

Result<store::File> data_file(const store::Store& store, const Input& dataset) {
    return core::within("dataset " + dataset.name,
                        file_ending(TRY(store.files(dataset.digest)), ".jsonl"));
}

Result<std::optional<store::File>> find_base_gguf(const store::Store& store, const Input& base) {
    if (auto own = file_ending(TRY(store.files(base.digest)), ".gguf")) {
        return std::optional(std::move(*own));
    }
    for (const auto& named : TRY(store.list(store::Kind::model))) {
        if (named.name.ends_with("/gguf") && TRY(made_from(store, named.digest, base.digest))) {
            return std::optional(TRY(file_ending(TRY(store.files(named.digest)), ".gguf")));
        }
    }
    return std::optional<store::File>();
}

}  // namespace sust::tune
