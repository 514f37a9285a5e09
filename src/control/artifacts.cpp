#include "control/artifacts.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "tune/model_check.h"

namespace sust::control {

using nlohmann::json;
using store::Kind;

namespace {

constexpr std::size_t k_max_files = 10'000;
// Commands in one hint.
constexpr std::size_t k_max_commands = 16;

Result<store::File> file_in(const json& item, const std::string& where, const store::Store& store) {
    auto body = TRY(JsonBody::of(item, where));
    const auto path = TRY(body.required_text("path"));
    const auto digest =
        TRY(core::within(where, store::Digest::parse(TRY(body.required_text("digest")))));
    const auto said = TRY(body.integer("bytes"));
    TRY(body.no_other_keys());
    if (!store.has_blob(digest)) {
        return fail(Fault::not_found, "the bytes of '" + core::printable(path) + "' are not here",
                    {.where = where, .hint = "upload them: PUT /api/v1/blobs/" + digest.str()});
    }
    std::error_code error;
    const auto bytes = std::filesystem::file_size(store.blob_path(digest), error);
    if (error || (said && static_cast<std::uint64_t>(*said) != bytes)) {
        return fail(Fault::invalid,
                    "'" + core::printable(path) + "' has " + std::to_string(bytes) + " bytes",
                    {.where = where});
    }
    return store::File{.path = path, .digest = digest, .size = bytes};
}

// What a person does so that `user` needs the artifact no longer.
std::string command_to_release(tune::Runs& runs, const store::User& user) {
    if (user.kind == "service") {
        return "sust serve rm " + user.id;
    }
    if (user.kind == "run") {
        const auto run = runs.show(user.id);
        return (run && !tune::is_final(run->phase) ? "sust tune cancel " : "sust tune rm ") +
               user.id;
    }
    if (user.kind == "job") {
        return "sust job cancel " + user.id;
    }
    if (user.kind == "adapter") {
        return "sust model rm " + user.id;
    }
    return "end " + user.text;
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

Result<CheckedDataset> put_checked_dataset(store::Store& store, const std::string& name,
                                           store::File file, store::ModelFacts facts,
                                           std::optional<tune::DataFormat> format) {
    auto report = TRY(tune::check_data_file(store.blob_path(file.digest), format));
    TRY(tune::require_good(report, name));
    facts.format = facts.format.empty() ? "jsonl" : facts.format;
    file.path = k_data_path;
    std::vector<store::File> files;
    files.push_back(std::move(file));
    auto descriptor = TRY(store.put_model(Kind::dataset, std::move(files), facts));
    return CheckedDataset{.descriptor = std::move(descriptor), .report = std::move(report)};
}

json facts_json(const tune::DataReport& report) {
    return {{"format", report.format ? json(tune::to_string(*report.format)) : json()},
            {"lines", report.lines},
            {"turns", report.turns},
            {"duplicates", report.duplicates}};
}

Result<store::Descriptor> put_checked_model(store::Store& store, Kind kind,
                                            std::vector<store::File> files, store::ModelFacts facts,
                                            const std::optional<store::Digest>& base) {
    std::vector<tune::ModelFile> looked_at;
    for (const auto& file : files) {
        looked_at.push_back({.path = file.path, .place = store.blob_path(file.digest)});
    }
    TRY(tune::check_model(looked_at, kind));
    for (const std::string format : {"safetensors", "gguf"}) {
        if (facts.format.empty() && std::ranges::any_of(files, [&](const auto& file) {
                return file.path.ends_with("." + format);
            })) {
            facts.format = format;
        }
    }
    return store.put_model(kind, std::move(files), facts, base);
}

Result<void> remember_facts(core::Database& database, const store::Digest& dataset,
                            const tune::DataReport& report) {
    TRY(
        database.execute("INSERT INTO datasets(digest, facts) VALUES(?, ?) "
                         "ON CONFLICT(digest) DO UPDATE SET facts = excluded.facts",
                         {dataset.str(), facts_json(report).dump()}));
    return {};
}

Result<void> remove_artifact(Desk& desk, const store::Named& named) {
    auto removed = desk.parts.store.remove_name(named.name);
    if (removed || removed.error().fault != Fault::conflict) {
        return removed;
    }
    std::vector<std::string> commands;
    for (const auto& user : TRY(desk.parts.store.users(named.digest))) {
        if (commands.size() == k_max_commands) {
            commands.emplace_back("and so on");
            break;
        }
        commands.push_back(command_to_release(desk.parts.runs, user));
    }
    removed.error().hint = core::join(commands, "; ");
    return removed;
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
            {{"path", file.path}, {"digest", file.digest.str()}, {"bytes", file.size}});
    }
    item["used_by"] = json::array();
    for (const auto& user : TRY(store.users(named.digest))) {
        item["used_by"].push_back(user.text);
    }
    return item;
}

}  // namespace sust::control
