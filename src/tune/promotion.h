#pragma once

// May a tuned model get its name? Judged from the evaluation alone; what is unknown is refused.

#include <string>

#include "tune/evaluation.h"
#include "tune/parameters.h"

namespace sust::tune {

struct PromotionLimits {
    double max_perplexity_growth = 0.05;  // a fraction of the base's
};

enum class Promotion { promote, refuse };

struct Judgement {
    Promotion promotion = Promotion::refuse;
    std::string reason{};  // why refused, with figures
    std::string advice{};  // what to change
};

// `parameters` and `known` (the recipe's) are for the advice only.
Judgement judge(const Evaluation& evaluation, const PromotionLimits& limits,
                const Parameters& parameters, const std::vector<Parameter>& known);
// From the parameter max_perplexity_growth, where the recipe has one.
PromotionLimits promotion_limits(const Parameters& parameters);

}  // namespace sust::tune
