#pragma once

// The register stage: what a run made becomes an artifact with its lineage and its evaluation.

#include "core/places.h"
#include "store/store.h"
#include "tune/promotion.h"
#include "tune/run.h"
#include "tune/work_folder.h"

namespace sust::tune {

struct StoredResult {
    store::Digest digest;  // of the artifact; of an evaluation run: the model it judged
    std::optional<Evaluation> evaluation{};
    Judgement judgement{};  // promote where the recipe has no evaluate stage
};

// Blocks: hashes what was made. Sets no name of the result. The same run gives the same digests and
// statements however often it is called. The run's root holds the result from here on. The base's
// GGUF gets the name <base>/gguf if there is none of this base.
core::Result<StoredResult> store_result(const Run& run, const core::Places& places,
                                        store::Store& store);

// What a run holds on to in the store, until settled.
core::Result<void> hold_inputs(const Run& run, store::Store& store);

}  // namespace sust::tune
