#include "tune/promotion.h"

#include <algorithm>

#include <fmt/format.h>

namespace sust::tune {

namespace {

constexpr const char* k_replay = "replay_windows";

std::string figures(double base, double tuned) {
    const double times = tuned / base;
    return fmt::format("perplexity grew from {:.4g} to {:.4g} ({:.{}f}x)", base, tuned, times,
                       times < 2 ? 2 : 1);
}

// Replay of base text is what keeps a model from forgetting; the recipe's default is known to do.
std::string advice_for(const Parameters& parameters, const std::vector<Parameter>& known) {
    const auto set = parameters.find(k_replay);
    const auto parameter = std::find_if(known.begin(), known.end(),
                                        [](const auto& one) { return one.name == k_replay; });
    if (set == parameters.end() || parameter == known.end() ||
        !std::holds_alternative<std::int64_t>(set->second) ||
        !std::holds_alternative<std::int64_t>(parameter->default_value)) {
        return "train fewer steps or with a lower learning rate";
    }
    const auto now = std::get<std::int64_t>(set->second);
    const auto usual = std::get<std::int64_t>(parameter->default_value);
    if (now < usual) {
        return fmt::format("set {} to {}", k_replay, usual);
    }
    return fmt::format("set {} above {}, or lower learning_rate or epochs", k_replay, now);
}

}  // namespace

PromotionLimits promotion_limits(const Parameters& parameters) {
    PromotionLimits limits;
    if (const auto found = parameters.find("max_perplexity_growth"); found != parameters.end()) {
        if (const auto* number = std::get_if<double>(&found->second)) {
            limits.max_perplexity_growth = *number;
        } else if (const auto* integer = std::get_if<std::int64_t>(&found->second)) {
            limits.max_perplexity_growth = static_cast<double>(*integer);
        }
    }
    return limits;
}

Judgement judge(const Evaluation& evaluation, const PromotionLimits& limits,
                const Parameters& parameters, const std::vector<Parameter>& known) {
    const auto growth = evaluation.perplexity ? evaluation.perplexity->growth() : std::nullopt;
    if (!growth) {
        return {.reason = "what the model forgot is not known: its perplexity was not measured",
                .advice =
                    "the base needs held-out text (data/heldout.jsonl.xz); the evaluate "
                    "stage's log says more"};
    }
    for (const auto& score : evaluation.datasets) {
        if (score.n == 0 || !score.tuned_correct) {
            return {.reason = "the tuned model was not asked the questions of " + score.name,
                    .advice = "check the evaluation data and the evaluate stage's log"};
        }
    }
    if (evaluation.datasets.empty()) {
        return {.reason = "how well the model does its task is not known: no question was asked",
                .advice = "give evaluation data with --eval"};
    }
    if (*growth > limits.max_perplexity_growth) {
        return {.reason = fmt::format(
                    "{}, limit {:g} %",
                    figures(*evaluation.perplexity->base, *evaluation.perplexity->tuned),
                    limits.max_perplexity_growth * 100),
                .advice = advice_for(parameters, known)};
    }
    return {.promotion = Promotion::promote};
}

}  // namespace sust::tune
