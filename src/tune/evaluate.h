#pragma once

// The evaluate stage's job: asks a private engine the questions of the evaluation data, with and
// without the candidate adapter, and writes <work>/evaluation.json (docs/formats/recipe.md).

#include <string>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/places.h"

namespace sust::tune {

struct EvaluationData {
    std::string name;
    std::string digest;
    core::Path file;
};

// <work>/evaluator.spec.json. All paths are of this machine.
struct EvaluatorSpec {
    core::Path work;
    core::Path base_gguf;
    core::Path adapter_gguf;  // empty: the base alone is asked
    std::vector<EvaluationData> datasets;
    std::int64_t limit = 0;  // questions per dataset; 0: all
    int threads = 1;
    std::vector<std::string> perplexity{};  // the whole command; empty: not measured
    std::vector<std::string> run{};         // ["bin/sust","--root",DIR,"run"], before its options
};

std::string encode(const EvaluatorSpec& spec);
core::Result<EvaluatorSpec> decode_evaluator_spec(std::string_view text);

// The hidden verb `sust internal-evaluate SPEC`. Blocks; returns the exit status of
// conventions.md. Its engine ends with it, also when it is killed.
int run_evaluation(const core::Path& spec, const core::Places& places, const core::Clock& clock,
                   const core::Log& log);

}  // namespace sust::tune
