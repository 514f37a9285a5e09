#pragma once

// <data>/runs/<run id>/: what a run's stages read and write. docs/formats/recipe.md lists it.

#include "core/clock.h"
#include "core/file.h"
#include "core/places.h"
#include "store/store.h"
#include "tune/run.h"

namespace sust::tune {

struct WorkFolder {
    core::Path path;

    WorkFolder(const core::Places& places, const Run& run) : path(places.runs() / run.id) {}
    core::Path recipe() const { return path / "recipe"; }
    core::Path common() const { return path / "common"; }
    core::Path lease() const { return path / "lease.json"; }
    core::Path progress() const { return path / "progress.jsonl"; }
    core::Path sources() const { return path / "sources.json"; }
    core::Path train_split() const { return path / "data" / "train.jsonl"; }
    core::Path heldout() const { return path / "data" / "heldout.jsonl"; }
    core::Path base_gguf() const { return path / "gguf" / "base.gguf"; }
    core::Path adapter_gguf() const { return path / "gguf" / "adapter.gguf"; }
    core::Path evaluator_spec() const { return path / "evaluator.spec.json"; }
    core::Path evaluation() const { return path / "evaluation.json"; }
    core::Path spec(Stage stage) const {
        return path / (std::string(to_string(stage)) + ".spec.json");
    }
};

// Fills the folder; again is fine. Blocks: copies the recipe, and splits the data if the run has
// no evaluation data of its own. invalid: too little data; exhausted: too little disk.
core::Result<void> prepare_work(const Run& run, const core::Places& places,
                                const store::Store& store, const core::Clock& clock);

// Before every attempt: the lease names the run's epoch, under the lock that writers of results
// hold, and never an older one.
core::Result<void> raise_lease(const WorkFolder& work, std::int64_t epoch,
                               const core::Clock& clock);
// <stage>.spec.json for the recipe's program.
core::Result<void> write_stage_spec(const WorkFolder& work, const Run& run, Stage stage,
                                    int threads);

// The disk that a run needs beside its inputs.
core::Result<std::uint64_t> bytes_needed(const Run& run, const store::Store& store);
// exhausted, with figures, if the disk has less than that and `reserve` together.
core::Result<void> check_disk(const core::Path& folder, std::uint64_t needed,
                              std::uint64_t reserve);

// After the end: what the store holds, or what can be made again, goes; what tells how it went
// stays.
core::Result<void> trim_work(const WorkFolder& work);

// The one JSONL file of a dataset.
core::Result<store::File> data_file(const store::Store& store, const Input& dataset);
// The GGUF of a base model: its own file, or that of an artifact named .../gguf whose provenance
// names this very base.
core::Result<std::optional<store::File>> find_base_gguf(const store::Store& store,
                                                        const Input& base);

}  // namespace sust::tune
