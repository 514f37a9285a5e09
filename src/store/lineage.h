#pragma once

// Provenance and evaluation as in-toto Statement v1 (https://in-toto.io/Statement/v1); provenance
// uses the SLSA v1 predicate (https://slsa.dev/provenance/v1).

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"
#include "store/digest.h"

namespace sust::store {

struct Dependency {
    std::string name;  // "base", "data", "recipe", "environment", "evaluation:known"
    std::string uri;   // "sust:model/tiny"
    Digest digest;
};

struct Provenance {
    std::string subject_name;
    std::string build_type;                       // "https://sust.dev/recipe/v1"
    std::string external_parameters_json = "{}";  // an object
    std::vector<Dependency> dependencies;
    std::string run;  // invocationId
    core::WallTime started{};
    core::WallTime finished{};
};

std::string provenance_statement(const Digest& subject, const Provenance& provenance);
// predicate_type is ours: "https://sust.dev/evaluation/v1".
std::string evaluation_statement(const Digest& subject, std::string_view subject_name,
                                 std::string_view predicate_json);

// What a statement says, read back.
struct Statement {
    std::string predicate_type;
    std::vector<Digest> subjects;
    std::vector<Dependency> dependencies;  // of SLSA provenance; those with a SHA-256
};
core::Result<Statement> read_statement(std::string_view text);

// The tree that `sust model lineage` shows (docs/formats/artifacts.md, "Lineage"): the artifact,
// its statements, its dependencies' trees. An artifact met twice is told once.
class Store;
core::Result<nlohmann::json> lineage_tree(const Store& store, const Digest& manifest,
                                          int max_depth = 16);

}  // namespace sust::store
