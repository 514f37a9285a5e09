#include "control/job_artifacts.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::control {

using core::fail;
using core::Fault;
using nlohmann::json;
using store::Digest;
using store::Kind;

namespace {

constexpr std::string_view k_root = "job";

Result<Digest> find(const store::Store& store, const std::string& artifact,
                    const std::vector<Kind>& kinds, const std::string& where) {
    const auto found = TRY(core::within(where, store.resolve(artifact)));
    if (!found) {
        return fail(Fault::not_found,
                    fmt::format("the store has no '{}'", core::printable(artifact)),
                    {.where = where, .hint = "sust model ls and sust data ls show what it has"});
    }
    const auto kind = TRY(core::within(where, store.manifest(*found))).kind();
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
        return fail(
            Fault::invalid,
            fmt::format("'{}' is of the kind {}", core::printable(artifact), to_string(kind)),
            {.where = where,
             .hint = kinds.size() == 1 ? "name a model" : "name a model, adapter or dataset"});
    }
    return *found;
}

// What would be found when the job is done already is told before it is begun.
Result<void> check_name(const cluster::Output& output, const std::vector<store::Named>& all) {
    const auto kind = TRY(core::within(output.where, store::parse_kind(output.kind)));
    for (const auto& named : all) {
        if (named.name == output.name && (named.kind != kind || !output.replace)) {
            return fail(
                Fault::conflict,
                fmt::format("'{}' is the name of a {} already", output.name, to_string(named.kind)),
                {.where = output.where,
                 .hint = named.kind == kind ? "choose another name, or say replace = true"
                                            : "choose another name"});
        }
    }
    return {};
}

json digests_json(const std::map<std::string, Digest>& digests) {
    auto out = json::object();
    for (const auto& [name, digest] : digests) {
        out[name] = digest.str();
    }
    return out;
}

std::map<std::string, Digest> digests_of(const json& kept) {
    std::map<std::string, Digest> digests;
    for (const auto& [name, text] : kept.items()) {
        auto digest = Digest::parse(text.get<std::string>());
        if (!digest) {
            throw std::invalid_argument(core::to_string(digest.error()));
        }
        digests.emplace(name, std::move(*digest));
    }
    return digests;
}

json digest_json(const std::map<std::string, Digest>& digests, const std::string& name) {
    const auto found = digests.find(name);
    return found == digests.end() ? json() : json(found->second.str());
}

}  // namespace

Result<JobArtifacts> resolve_artifacts(const cluster::JobRequest& request,
                                       const store::Store& store) {
    JobArtifacts artifacts;
    for (const auto& input : request.carried.inputs) {
        const std::vector<Kind> kinds{Kind::model, Kind::adapter, Kind::dataset};
        artifacts.inputs.emplace(input.name, TRY(find(store, input.artifact, kinds, input.where)));
    }
    if (request.carried.outputs.empty()) {
        return artifacts;
    }
    const auto all = TRY(store.list());
    for (const auto& output : request.carried.outputs) {
        TRY(check_name(output, all));
        if (!output.base.empty()) {
            artifacts.bases.emplace(output.name,
                                    TRY(find(store, output.base, {Kind::model}, output.where)));
        }
    }
    return artifacts;
}

Result<void> hold_artifacts(const std::string& job, core::WallTime since,
                            const JobArtifacts& artifacts, store::Store& store) {
    store::Root root{
        .kind = std::string(k_root), .id = job, .owner = "job " + job, .since = since, .holds = {}};
    for (const auto* digests : {&artifacts.inputs, &artifacts.bases, &artifacts.outputs}) {
        for (const auto& [name, digest] : *digests) {
            root.holds.push_back(digest);
        }
    }
    return root.holds.empty() ? Result<void>() : store.set_root(root);
}

Result<void> release_artifacts(const std::string& job, store::Store& store) {
    return store.remove_root(k_root, job);
}

Result<void> release_all_but(const std::function<bool(const std::string&)>& is_live,
                             store::Store& store) {
    for (const auto& root : TRY(store.roots())) {
        if (root.kind == k_root && !is_live(root.id)) {
            TRY(release_artifacts(root.id, store));
        }
    }
    return {};
}

json inputs_json(const cluster::Carried& carried, const JobArtifacts& artifacts) {
    auto list = json::array();
    for (const auto& input : carried.inputs) {
        list.push_back({{"name", input.name},
                        {"artifact", input.artifact},
                        {"digest", digest_json(artifacts.inputs, input.name)},
                        {"path", input.path.string()}});
    }
    return list;
}

json outputs_json(const cluster::Carried& carried, const JobArtifacts& artifacts) {
    auto list = json::array();
    for (const auto& output : carried.outputs) {
        list.push_back({{"name", output.name},
                        {"kind", output.kind},
                        {"path", output.path.string()},
                        {"digest", digest_json(artifacts.outputs, output.name)}});
    }
    return list;
}

json encode_artifacts(const JobArtifacts& artifacts) {
    return {{"inputs", digests_json(artifacts.inputs)},
            {"bases", digests_json(artifacts.bases)},
            {"outputs", digests_json(artifacts.outputs)},
            {"trouble", artifacts.trouble}};
}

JobArtifacts decode_artifacts(const json& kept) {
    return {.inputs = digests_of(kept.at("inputs")),
            .bases = digests_of(kept.at("bases")),
            .outputs = digests_of(kept.at("outputs")),
            .trouble = kept.at("trouble").get<std::string>()};
}

}  // namespace sust::control
