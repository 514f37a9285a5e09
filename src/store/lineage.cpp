#include "store/lineage.h"

#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "store/json.h"
#include "store/limits.h"
#include "store/media_types.h"
#include "store/store.h"

namespace sust::store {

using core::Result;

namespace {

class Tree {
  public:
    Tree(const Store& store, int max_depth) : store_(store), max_depth_(max_depth) {}

    Result<Json> grow(const Digest& root) {
        for (const auto& named : TRY(store_.list())) {
            names_[named.digest].push_back(named.name);
        }
        return node(root, 0);
    }

  private:
    Result<Json> node(const Digest& digest, int depth) {
        Json node{{"digest", digest.str()}};
        if (const auto names = names_.find(digest); names != names_.end()) {
            node["names"] = names->second;
        }
        node["present"] = store_.has_blob(digest);
        if (node["present"] == false) {
            return node;
        }
        if (!told_.insert(digest).second) {
            node["told_above"] = true;
            return node;
        }
        if (depth >= max_depth_ || told_.size() > k_max_lineage_nodes) {
            node["cut"] = true;
            return node;
        }
        const auto manifest = store_.manifest(digest);
        if (!manifest) {
            node["kind"] = "file";  // a dependency may be any bytes, such as a recipe's
            return node;
        }
        node["kind"] = to_string(manifest->kind());
        node["bytes"] = manifest->file_bytes();
        TRY(add_statements(node, digest, depth));
        TRY(add_base(node, *manifest, depth));
        return node;
    }

    Result<void> add_statements(Json& node, const Digest& digest, int depth) {
        node["provenance"] = Json::array();
        node["evaluations"] = Json::array();
        for (const auto& text : TRY(store_.statements(digest))) {
            const auto json = TRY(parse_object(text, "statement about " + digest.str()));
            const auto said = TRY(read_statement(text));
            if (said.predicate_type == k_slsa_provenance) {
                node["provenance"].push_back(TRY(made_by(json, said, depth)));
            } else {
                node["evaluations"].push_back(
                    {{"type", said.predicate_type},
                     {"result", json.value("predicate", Json::object())}});
            }
        }
        return {};
    }

    Result<Json> made_by(const Json& statement, const Statement& said, int depth) {
        const auto get = [&](const char* pointer) -> Json {
            const Json::json_pointer at(pointer);
            return statement.contains(at) ? statement.at(at) : Json();
        };
        Json made{{"by", get("/predicate/buildDefinition/buildType")},
                  {"run", get("/predicate/runDetails/metadata/invocationId")},
                  {"started", get("/predicate/runDetails/metadata/startedOn")},
                  {"finished", get("/predicate/runDetails/metadata/finishedOn")},
                  {"parameters", get("/predicate/buildDefinition/externalParameters")},
                  {"from", Json::array()}};
        for (const auto& dependency : said.dependencies) {
            Json from{{"name", dependency.name}, {"uri", dependency.uri}};
            from.update(TRY(node(dependency.digest, depth + 1)));
            made["from"].push_back(std::move(from));
        }
        return made;
    }

    // An adapter from elsewhere has no provenance, and its base is still known.
    Result<void> add_base(Json& node, const Manifest& manifest, int depth) {
        const auto base = manifest.base();
        if (base && node["provenance"].empty()) {
            node["base"] = TRY(this->node(*base, depth + 1));
        }
        return {};
    }

    const Store& store_;
    int max_depth_;
    std::map<Digest, std::vector<std::string>> names_;
    std::set<Digest> told_;
};

}  // namespace

Result<nlohmann::json> lineage_tree(const Store& store, const Digest& manifest, int max_depth) {
    return nlohmann::json(TRY(Tree(store, max_depth).grow(manifest)));
}

}  // namespace sust::store
