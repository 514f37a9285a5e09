#pragma once

// What a user asked for becomes a run with every input known by its digest, or an error that says
// what is wrong. Writes nothing.

#include "tune/runs.h"
#include "tune/work_folder.h"

namespace sust::tune {

struct RequestNeeds {
    const core::Places& places;
    const store::Store& store;
    const core::Clock& clock;
    const FindEnvironment& find_environment;
};

core::Result<Run> make_run(const RunRequest& request, const RequestNeeds& needs);
core::Result<Run> make_evaluation_run(const EvaluationRequest& request, const RequestNeeds& needs);

// The engine that evaluations ask.
inline constexpr std::string_view k_evaluation_engine = "llama-cpp";

}  // namespace sust::tune
