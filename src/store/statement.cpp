// The texts of statements: written and read back.
#include <nlohmann/json.hpp>

#include "store/json.h"
#include "store/lineage.h"
#include "store/media_types.h"

namespace sust::store {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr std::string_view k_statement_type = "https://in-toto.io/Statement/v1";
constexpr std::string_view k_evaluation_type = "https://sust.dev/evaluation/v1";
constexpr std::string_view k_builder = "https://sust.dev/sustd/v1";

// What cannot be read is kept as the text it is, so that nothing said is lost.
Json parsed_or_text(std::string_view text) {
    auto json = parse_json(text, {});
    return json ? std::move(*json) : Json(text);
}

Json statement(const Digest& subject, std::string_view name, std::string_view predicate_type,
               Json predicate) {
    return Json{
        {"_type", k_statement_type},
        {"subject", Json::array({{{"name", name}, {"digest", {{"sha256", subject.hex()}}}}})},
        {"predicateType", predicate_type},
        {"predicate", std::move(predicate)}};
}

Json dependencies_json(const std::vector<Dependency>& dependencies) {
    Json list = Json::array();
    for (const auto& dependency : dependencies) {
        list.push_back({{"name", dependency.name},
                        {"uri", dependency.uri},
                        {"digest", {{"sha256", dependency.digest.hex()}}}});
    }
    return list;
}

const Json* find_list(const Json& object, const Json::json_pointer& pointer) {
    if (!object.contains(pointer)) {
        return nullptr;
    }
    const auto& found = object.at(pointer);
    return found.is_array() ? &found : nullptr;
}

// Statements of others may use other digest algorithms; those name nothing in this store.
std::optional<Digest> sha256_in(const Json& described) {
    if (!described.is_object() || !described.contains("digest") ||
        !described.at("digest").is_object()) {
        return std::nullopt;
    }
    auto digest = Digest::parse("sha256:" + text_or_empty(described.at("digest"), "sha256"));
    return digest ? std::optional(std::move(*digest)) : std::nullopt;
}

}  // namespace

std::string provenance_statement(const Digest& subject, const Provenance& provenance) {
    Json definition{{"buildType", provenance.build_type},
                    {"externalParameters", parsed_or_text(provenance.external_parameters_json)},
                    {"internalParameters", Json::object()},
                    {"resolvedDependencies", dependencies_json(provenance.dependencies)}};
    Json details{{"builder", {{"id", k_builder}}},
                 {"metadata",
                  {{"invocationId", provenance.run},
                   {"startedOn", core::rfc3339(provenance.started)},
                   {"finishedOn", core::rfc3339(provenance.finished)}}}};
    return print_json(statement(
        subject, provenance.subject_name, k_slsa_provenance,
        Json{{"buildDefinition", std::move(definition)}, {"runDetails", std::move(details)}}));
}

std::string evaluation_statement(const Digest& subject, std::string_view subject_name,
                                 std::string_view predicate_json) {
    return print_json(
        statement(subject, subject_name, k_evaluation_type, parsed_or_text(predicate_json)));
}

Result<Statement> read_statement(std::string_view text) {
    const auto json = TRY(parse_object(text, "statement"));
    if (text_or_empty(json, "_type") != k_statement_type) {
        return fail(Fault::invalid, "'_type' is not " + std::string(k_statement_type),
                    {"statement"});
    }
    Statement read{
        .predicate_type = text_or_empty(json, "predicateType"), .subjects = {}, .dependencies = {}};
    if (const auto* subjects = find_list(json, Json::json_pointer("/subject"))) {
        for (const auto& subject : *subjects) {
            if (auto digest = sha256_in(subject)) {
                read.subjects.push_back(std::move(*digest));
            }
        }
    }
    const Json::json_pointer resolved("/predicate/buildDefinition/resolvedDependencies");
    if (const auto* dependencies = find_list(json, resolved)) {
        for (const auto& dependency : *dependencies) {
            if (auto digest = sha256_in(dependency)) {
                read.dependencies.push_back({text_or_empty(dependency, "name"),
                                             text_or_empty(dependency, "uri"), std::move(*digest)});
            }
        }
    }
    return read;
}

}  // namespace sust::store
