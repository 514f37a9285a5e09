#include <nlohmann/json.hpp>

#include "tune/evaluate.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Result;
using nlohmann::json;

namespace {
constexpr int k_format = 1;
}  // namespace

std::string encode(const EvaluatorSpec& spec) {
    auto datasets = json::array();
    for (const auto& data : spec.datasets) {
        datasets.push_back(
            {{"name", data.name}, {"digest", data.digest}, {"file", data.file.string()}});
    }
    return json{{"format", k_format},
                {"work", spec.work.string()},
                {"base_gguf", spec.base_gguf.string()},
                {"adapter_gguf", spec.adapter_gguf.string()},
                {"datasets", std::move(datasets)},
                {"limit", spec.limit},
                {"threads", spec.threads},
                {"perplexity", spec.perplexity},
                {"run", spec.run}}
               .dump(2) +
           "\n";
}

Result<EvaluatorSpec> decode_evaluator_spec(std::string_view text) {
    try {
        const auto value = json::parse(text);
        if (value.at("format") != k_format) {
            return fail(Fault::invalid, "the evaluator's specification has an unknown format");
        }
        EvaluatorSpec spec{.work = value.at("work").get<std::string>(),
                           .base_gguf = value.at("base_gguf").get<std::string>(),
                           .adapter_gguf = value.at("adapter_gguf").get<std::string>(),
                           .limit = value.at("limit").get<std::int64_t>(),
                           .threads = value.at("threads").get<int>(),
                           .perplexity = value.at("perplexity").get<std::vector<std::string>>(),
                           .run = value.at("run").get<std::vector<std::string>>()};
        for (const auto& data : value.at("datasets")) {
            spec.datasets.push_back({.name = data.at("name").get<std::string>(),
                                     .digest = data.at("digest").get<std::string>(),
                                     .file = data.at("file").get<std::string>()});
        }
        return spec;
    } catch (const json::exception& error) {
        return fail(Fault::invalid, std::string("the evaluator's specification: ") + error.what());
    }
}

}  // namespace sust::tune
