#pragma once

// What an evaluation found: evaluation.json, and the predicate of the statement about a model.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/result.h"

namespace sust::tune {

inline constexpr int k_evaluation_format = 1;

struct DatasetScore {
    std::string name;
    std::string digest;
    std::int64_t n = 0;  // questions asked
    std::int64_t base_correct = 0;
    std::optional<std::int64_t> tuned_correct;  // absent: there is no adapter
    std::int64_t valid_json = 0;                // answers of the tuned model, else of the base

    double base_accuracy() const;
    std::optional<double> tuned_accuracy() const;
};

// Of held-out text of the base's kind; absent: not measured.
struct Perplexity {
    std::optional<double> base;
    std::optional<double> tuned;
    std::int64_t tokens = 0;

    // (tuned - base) / base, if both are finite and above zero.
    std::optional<double> growth() const;
};

struct Evaluation {
    std::vector<DatasetScore> datasets;
    std::optional<Perplexity> perplexity;
};

void to_json(nlohmann::json& json, const Evaluation& evaluation);
core::Result<Evaluation> evaluation_from_json(const nlohmann::json& json);
// The recipe's perplexity.json: {"format":1,"base","tuned","tokens"}.
core::Result<Perplexity> perplexity_from_json(const nlohmann::json& json);

}  // namespace sust::tune
