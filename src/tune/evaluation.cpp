#include "tune/evaluation.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "core/result.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Result;
using nlohmann::json;

namespace {

double share(std::int64_t part, std::int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

json number_or_null(const std::optional<double>& value) {
    return value && std::isfinite(*value) ? json(*value) : json(nullptr);
}

std::optional<double> number_at(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? std::optional(found->get<double>())
                                                       : std::nullopt;
}

json score_json(const DatasetScore& score) {
    const auto tuned = score.tuned_accuracy();
    return {{"name", score.name},
            {"digest", score.digest},
            {"n", score.n},
            {"base_correct", score.base_correct},
            {"tuned_correct", score.tuned_correct ? json(*score.tuned_correct) : json(nullptr)},
            {"base_accuracy", score.base_accuracy()},
            {"tuned_accuracy", number_or_null(tuned)},
            {"valid_json", score.valid_json}};
}

Result<DatasetScore> score_from_json(const json& value) {
    try {
        DatasetScore score{.name = value.at("name").get<std::string>(),
                           .digest = value.at("digest").get<std::string>(),
                           .n = value.at("n").get<std::int64_t>(),
                           .base_correct = value.at("base_correct").get<std::int64_t>(),
                           .valid_json = value.at("valid_json").get<std::int64_t>()};
        if (const auto& tuned = value.at("tuned_correct"); !tuned.is_null()) {
            score.tuned_correct = tuned.get<std::int64_t>();
        }
        return score;
    } catch (const json::exception& error) {
        return fail(Fault::invalid, std::string("an evaluation's dataset: ") + error.what());
    }
}

Result<void> check_format(const json& value, std::string_view what) {
    if (!value.is_object()) {
        return fail(Fault::invalid, std::string(what) + " is not a JSON object");
    }
    const auto format = value.find("format");
    if (format == value.end() || *format != k_evaluation_format) {
        return fail(Fault::invalid,
                    std::string(what) + " has a format that this version does not know",
                    {.hint = "this version reads format " + std::to_string(k_evaluation_format)});
    }
    return {};
}

}  // namespace

double DatasetScore::base_accuracy() const {
    return share(base_correct, n);
}

std::optional<double> DatasetScore::tuned_accuracy() const {
    return tuned_correct ? std::optional(share(*tuned_correct, n)) : std::nullopt;
}

std::optional<double> Perplexity::growth() const {
    const auto usable = [](const std::optional<double>& value) {
        return value && std::isfinite(*value) && *value > 0;
    };
    if (!usable(base) || !usable(tuned)) {
        return {};
    }
    return (*tuned - *base) / *base;
}

void to_json(json& out, const Evaluation& evaluation) {
    auto datasets = json::array();
    for (const auto& score : evaluation.datasets) {
        datasets.push_back(score_json(score));
    }
    out = {{"format", k_evaluation_format}, {"datasets", std::move(datasets)}};
    out["perplexity"] = nullptr;
    if (const auto& perplexity = evaluation.perplexity) {
        out["perplexity"] = {{"base", number_or_null(perplexity->base)},
                             {"tuned", number_or_null(perplexity->tuned)},
                             {"tokens", perplexity->tokens},
                             {"growth", number_or_null(perplexity->growth())}};
    }
}

Result<Perplexity> perplexity_from_json(const json& value) {
    TRY(check_format(value, "perplexity.json"));
    const auto tokens = value.find("tokens");
    return Perplexity{.base = number_at(value, "base"),
                      .tuned = number_at(value, "tuned"),
                      .tokens = tokens != value.end() && tokens->is_number_integer()
                                    ? tokens->get<std::int64_t>()
                                    : 0};
}

Result<Evaluation> evaluation_from_json(const json& value) {
    TRY(check_format(value, "evaluation.json"));
    const auto datasets = value.find("datasets");
    if (datasets == value.end() || !datasets->is_array()) {
        return fail(Fault::invalid, "evaluation.json has no list of datasets");
    }
    Evaluation evaluation;
    for (const auto& dataset : *datasets) {
        evaluation.datasets.push_back(TRY(score_from_json(dataset)));
    }
    if (const auto found = value.find("perplexity"); found != value.end() && found->is_object()) {
        json with_format = *found;
        with_format["format"] = k_evaluation_format;
        evaluation.perplexity = TRY(perplexity_from_json(with_format));
    }
    return evaluation;
}

}  // namespace sust::tune
