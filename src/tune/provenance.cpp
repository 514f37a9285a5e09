#include "tune/provenance.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/text.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Result;
using nlohmann::json;

namespace {

constexpr const char* k_build_type = "https://sust.dev/recipe/v1";
// A program of the recipe wrote the file: it may fetch a few things and say where from.
constexpr std::size_t k_max_sources = 64;
constexpr std::size_t k_max_sources_bytes = 64 << 10;
constexpr std::size_t k_max_word = 300;

store::Dependency dependency(std::string name, std::string_view kind, const Input& input) {
    return {.name = std::move(name),
            .uri = fmt::format("sust:{}/{}", kind, input.name),
            .digest = input.digest};
}

Result<std::string> word(const json& source, const char* key) {
    const auto found = source.is_object() ? source.find(key) : source.end();
    if (found == source.end() || !found->is_string() ||
        found->get_ref<const std::string&>().empty() ||
        found->get_ref<const std::string&>().size() > k_max_word) {
        return fail(Fault::invalid,
                    fmt::format("'{}' is not a text of 1 to {} bytes", key, k_max_word));
    }
    return core::printable(found->get_ref<const std::string&>(), k_max_word);
}

Result<std::vector<store::Dependency>> fetched(const WorkFolder& work) {
    std::vector<store::Dependency> out;
    if (!core::path_exists(work.sources())) {
        return out;
    }
    const auto list =
        json::parse(TRY(core::read_file(work.sources(), k_max_sources_bytes)), nullptr, false);
    if (!list.is_array() || list.size() > k_max_sources) {
        return fail(Fault::invalid, fmt::format("not a list of at most {} sources", k_max_sources));
    }
    for (const auto& source : list) {
        const auto digest = TRY(store::Digest::parse("sha256:" + TRY(word(source, "sha256"))));
        const auto name = TRY(word(source, "name"));
        const auto uri = TRY(word(source, "uri"));
        out.push_back({.name = "fetched:" + name, .uri = uri, .digest = digest});
    }
    return out;
}

std::vector<store::Dependency> inputs_of(const Run& run) {
    std::vector<store::Dependency> out;
    if (run.base) {
        out.push_back(dependency("base", "model", *run.base));
    }
    if (run.data) {
        out.push_back(dependency("data", "dataset", *run.data));
    }
    if (run.recipe_digest) {
        out.push_back(
            {.name = "recipe", .uri = "sust:recipe/" + run.recipe, .digest = *run.recipe_digest});
    }
    for (const auto& environment : run.environments) {
        out.push_back(dependency("environment:" + environment.name, "image", environment));
    }
    for (const auto& dataset : run.evaluations) {
        out.push_back(dependency("evaluation:" + dataset.name, "dataset", dataset));
    }
    return out;
}

}  // namespace

Result<store::Provenance> provenance_of(const Run& run, const WorkFolder& work,
                                        std::string subject) {
    auto dependencies = inputs_of(run);
    for (auto& source : TRY(core::within(work.sources().string(), fetched(work)))) {
        dependencies.push_back(std::move(source));
    }
    const json parameters{{"recipe", run.recipe}, {"parameters", parameters_json(run.parameters)}};
    const auto begun = run.stages.find(Stage::register_);
    return store::Provenance{
        .subject_name = std::move(subject),
        .build_type = k_build_type,
        .external_parameters_json = parameters.dump(),
        .dependencies = std::move(dependencies),
        .run = run.id,
        .started = run.created,
        // When this stage began, which is on record: a repetition must say the same.
        .finished = begun == run.stages.end() ? run.created : begun->second.started};
}

}  // namespace sust::tune
