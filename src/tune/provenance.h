#pragma once

// Where a run's result came from, for its in-toto statement.

#include <string>

#include "store/lineage.h"
#include "tune/run.h"
#include "tune/work_folder.h"

namespace sust::tune {

// Inputs, recipe, environments, and what the recipe's programs fetched (sources.json of the work
// folder, docs/formats/recipe.md). The same run says the same however often it is asked.
core::Result<store::Provenance> provenance_of(const Run& run, const WorkFolder& work,
                                              std::string subject);

}  // namespace sust::tune
