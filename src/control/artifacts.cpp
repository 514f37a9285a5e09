#include "control/artifacts.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::control {

using nlohmann::json;
using store::Kind;

namespace {

constexpr std::size_t k_max_files = 10'000;

Result<store::File> file_in(const json& item, const std::string& where, const store::Store& store) {
    auto body = TRY(JsonBody::of(item, where));
    const auto path = TRY(body.required_text("path"));
    const auto digest =
        TRY(core::within(where, store::Digest::parse(TRY(body.required_text("digest")))));
    const auto size = TRY(body.integer("size"));
    TRY(body.no_other_keys());
    if (!store.has_blob(digest)) {
        return fail(Fault::not_found, "the bytes of '" + core::printable(path) + "' are not here",
                    {.where = where, .hint = "upload them: PUT /api/v1/blobs/" + digest.str()});
    }
    std::error_code error;
    const auto bytes = std::filesystem::file_size(store.blob_path(digest), error);
    if (error || (size && static_cast<std::uint64_t>(*size) != bytes)) {
        return fail(Fault::invalid, "'" + core::printable(path) + "' has another size",
                    {.where = where});
    }
    return store::File{.path = path, .digest = digest, .size = bytes};
}

}  // namespace

Result<std::vector<store::File>> files_in(JsonBody& body, const store::Store& store) {
    const auto* said = body.raw("files");
    if (said == nullptr || !said->is_array() || said->empty()) {
        return fail(Fault::invalid, "'files' is to be an array of files", {.where = "body.files"});
    }
    if (said->size() > k_max_files) {
        return fail(Fault::too_large, "an artifact has at most 10000 files",
                    {.where = "body.files"});
    }
    std::vector<store::File> files;
    for (const auto& item : *said) {
        files.push_back(
            TRY(file_in(item, "body.files[" + std::to_string(files.size()) + "]", store)));
    }
    return files;
}

Result<store::ModelFacts> facts_in(JsonBody& body) {
    store::ModelFacts facts;
    const auto* said = body.raw("facts");
    if (said == nullptr) {
        return facts;
    }
    auto inner = TRY(JsonBody::of(*said, "body.facts"));
    const std::pair<const char*, std::string*> texts[] = {{"name", &facts.name},
                                                          {"family", &facts.family},
                                                          {"title", &facts.title},
                                                          {"description", &facts.description},
                                                          {"architecture", &facts.architecture},
                                                          {"format", &facts.format},
                                                          {"param_size", &facts.param_size},
                                                          {"precision", &facts.precision}};
    for (const auto& [key, value] : texts) {
        *value = TRY(inner.text(key)).value_or("");
    }
    facts.licenses = TRY(inner.texts("licenses"));
    TRY(inner.no_other_keys());
    return facts;
}

Result<store::Named> find_artifact(const store::Store& store, const std::string& name,
                                   const std::vector<Kind>& kinds) {
    for (const auto& named : TRY(store.list())) {
        if (named.name == name && std::ranges::find(kinds, named.kind) != kinds.end()) {
            return named;
        }
    }
    const auto missing = store.require(name, kinds.front());
    if (!missing) {
        return tl::unexpected<Error>(missing.error());
    }
    return fail(Fault::not_found, "no '" + core::printable(name) + "'");
}

Result<void> check_free_name(const store::Store& store, const std::string& name,
                             const store::Digest& digest, Kind kind, Replace replace) {
    for (const auto& named : TRY(store.list())) {
        if (named.name != name || named.digest == digest) {
            continue;
        }
        if (named.kind != kind) {
            return fail(Fault::conflict, "the name '" + name + "' is that of a " +
                                             std::string(to_string(named.kind)));
        }
        if (replace == Replace::no) {
            return fail(Fault::conflict,
                        "the name '" + name + "' stands for other bytes already (" +
                            named.digest.str() + ")",
                        {.hint = "choose another name, or remove this one first"});
        }
    }
    return {};
}

json artifact_json(const store::Named& named) {
    json item = {{"name", named.name},
                 {"kind", to_string(named.kind)},
                 {"digest", named.digest.str()},
                 {"bytes", named.bytes}};
    if (named.damage) {
        item["damage"] = core::to_string(*named.damage);
    }
    return item;
}

Result<json> artifact_details(const store::Store& store, const store::Named& named) {
    auto item = artifact_json(named);
    item["files"] = json::array();
    for (const auto& file : TRY(store.files(named.digest))) {
        item["files"].push_back(
            {{"path", file.path}, {"digest", file.digest.str()}, {"size", file.size}});
    }
    item["used_by"] = TRY(store.users(named.digest));
    return item;
}

}  // namespace sust::control
