#include "fleet/plan.h"

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include "core/hash.h"
#include "core/text.h"

namespace sust::fleet {

using core::fail;
using core::Fault;
using nlohmann::json;
using store::Digest;
using store::Kind;

namespace {

// The files of an artifact whose name ends like the engine's model format.
std::vector<store::File> model_files(const std::vector<store::File>& files,
                                     const std::string& format) {
    std::vector<store::File> out;
    std::copy_if(files.begin(), files.end(), std::back_inserter(out),
                 [&](const store::File& file) { return file.path.ends_with("." + format); });
    return out;
}

Result<store::File> one_model_file(const std::vector<store::File>& files, const Engine& engine,
                                   const std::string& name, const std::string& preferred) {
    const auto candidates = model_files(files, engine.model_format);
    for (const auto& file : candidates) {
        if (file.path == preferred || candidates.size() == 1) {
            return file;
        }
    }
    std::vector<std::string> paths;
    for (const auto& file : candidates) {
        paths.push_back(file.path);
    }
    return fail(Fault::conflict,
                "model '" + name + "' has several ." + engine.model_format +
                    " files: " + core::join(paths, ", "),
                {.hint = "keep one of them, or name it " + preferred});
}

// Cheap signs of a damaged file, before an engine stumbles over it; bytes are verified by
// `sust model show --verify` and at every import.
Result<void> check_bytes(const store::Store& store, const store::File& file,
                         const std::string& name, const Engine& engine) {
    const Path path = store.blob_path(file.digest);
    std::error_code code;
    const auto size = std::filesystem::file_size(path, code);
    const std::string what = "model '" + name + "', file " + file.path;
    if (code || size != file.size) {
        return fail(Fault::conflict,
                    what + (code ? " is not in the store"
                                 : " is damaged: " + std::to_string(size) + " bytes of " +
                                       std::to_string(file.size)),
                    {.where = file.digest.str(), .hint = "import the model again"});
    }
    std::string magic(4, '\0');
    std::ifstream(path, std::ios::binary).read(magic.data(), 4);
    if (engine.model_format == "gguf" && magic != "GGUF") {
        return fail(Fault::invalid,
                    what + " is not a GGUF file (it starts with " + core::printable(magic) + ")",
                    {.where = file.digest.str(), .hint = "import a GGUF file"});
    }
    return {};
}

// The base that the provenance of an artifact names; nothing if no statement names one.
Result<std::optional<std::string>> stated_base(const store::Store& store, const Digest& artifact) {
    std::optional<std::string> found;
    for (const auto& text : TRY(store.statements(artifact))) {
        const auto statement = json::parse(text, nullptr, false);
        const auto at = json::json_pointer("/predicate/buildDefinition/resolvedDependencies");
        if (!statement.is_object() || !statement.contains(at) || !statement[at].is_array()) {
            continue;
        }
        for (const auto& dependency : statement[at]) {
            if (dependency.is_object() && dependency.value("name", "") == "base") {
                found = dependency.value(json::json_pointer("/digest/sha256"), "");
            }
        }
    }
    return found;
}

std::string make_it(const std::string& base, const std::string& format) {
    return "sust tune start to-" + format + " --base " + base;
}

struct Model {
    Digest manifest;
    store::File file;
};

Result<Model> find_model(const ServiceSpec& spec, const Engine& engine, const store::Store& store,
                         const Digest& base) {
    const auto own = TRY(store.files(base));
    if (!model_files(own, engine.model_format).empty()) {
        auto file = TRY(one_model_file(own, engine, spec.base, "base." + engine.model_format));
        return Model{base, std::move(file)};
    }
    const std::string name = spec.base + "/" + engine.model_format;
    const auto converted = TRY(store.resolve(name));
    if (!converted) {
        return fail(Fault::not_found,
                    "engine " + engine.name + " needs '" + spec.base + "' as " +
                        engine.model_format + ", and there is no model '" + name + "'",
                    {.hint = make_it(spec.base, engine.model_format)});
    }
    const auto made_from = TRY(stated_base(store, *converted));
    if (made_from && *made_from != base.hex()) {
        return fail(
            Fault::conflict,
            "'" + name + "' was made from another '" + spec.base + "' (sha256:" + *made_from + ")",
            {.hint = make_it(spec.base, engine.model_format)});
    }
    const auto files = TRY(store.files(*converted));
    if (model_files(files, engine.model_format).empty()) {
        return fail(Fault::conflict,
                    "model '" + name + "' has no ." + engine.model_format + " file",
                    {.hint = make_it(spec.base, engine.model_format)});
    }
    auto file = TRY(one_model_file(files, engine, name, "base." + engine.model_format));
    return Model{*converted, std::move(file)};
}

Result<ServicePlan::Adapter> find_adapter(const std::string& name, const ServicePlan& plan,
                                          const Engine& engine, const store::Store& store) {
    const Digest manifest = TRY(store.require(name, Kind::adapter));
    const auto base = TRY(store.base_of(manifest));
    if (!base || (*base != plan.base && *base != plan.model)) {
        return fail(
            Fault::conflict,
            "adapter '" + name + "' is based on " + (base ? base->str() : "no base") +
                ", not on '" + plan.spec.base + "' (" + plan.base.str() + ")",
            {.hint = "sust model lineage " + name + " shows its base; tune again on this base"});
    }
    const auto files = TRY(store.files(manifest));
    if (model_files(files, engine.model_format).empty()) {
        return fail(Fault::conflict,
                    "adapter '" + name + "' has no ." + engine.model_format + " file",
                    {.hint = "import it with adapter." + engine.model_format +
                             " beside adapter_model.safetensors"});
    }
    const auto file = TRY(one_model_file(files, engine, name, "adapter." + engine.model_format));
    TRY(check_bytes(store, file, name, engine));
    return ServicePlan::Adapter{.name = name, .manifest = manifest, .blob = file.digest};
}

json adapter_json(const ServicePlan::Adapter& adapter) {
    return {
        {"name", adapter.name}, {"manifest", adapter.manifest.str()}, {"blob", adapter.blob.str()}};
}

json plan_json(const ServicePlan& plan) {
    json adapters = json::array();
    for (const auto& adapter : plan.adapters) {
        adapters.push_back(adapter_json(adapter));
    }
    return {{"spec", plan.spec},
            {"base", plan.base.str()},
            {"model", plan.model.str()},
            {"base_blob", plan.base_blob.str()},
            {"adapters", std::move(adapters)},
            {"image", plan.image ? json(plan.image->str()) : json(nullptr)}};
}

Result<Digest> digest_at(const json& document, const char* key) {
    return Digest::parse(document.at(key).get<std::string>());
}

Result<ServicePlan> plan_from_json(const json& document) {
    const auto said = TRY(service_from_json(document.at("spec")));
    auto base = TRY(digest_at(document, "base"));
    auto model = TRY(digest_at(document, "model"));
    auto base_blob = TRY(digest_at(document, "base_blob"));
    ServicePlan plan{.spec = {.name = said.name,
                              .base = said.base,
                              .adapters = said.adapters,
                              .engine = said.engine.value_or(""),
                              .replicas = static_cast<int>(said.replicas.value_or(0)),
                              .context = static_cast<int>(said.context.value_or(0)),
                              .slots = static_cast<int>(said.slots.value_or(1)),
                              .threads = static_cast<int>(said.threads.value_or(1)),
                              .drain_timeout = said.drain_timeout.value_or(Duration{}),
                              .memory_bytes = said.memory.value_or(0),
                              .gpus = said.gpus,
                              .placement = said.placement},
                     .base = std::move(base),
                     .model = std::move(model),
                     .base_blob = std::move(base_blob)};
    for (const auto& adapter : document.at("adapters")) {
        auto manifest = TRY(digest_at(adapter, "manifest"));
        auto blob = TRY(digest_at(adapter, "blob"));
        plan.adapters.push_back({.name = adapter.at("name").get<std::string>(),
                                 .manifest = std::move(manifest),
                                 .blob = std::move(blob)});
    }
    if (!document.at("image").is_null()) {
        plan.image = TRY(digest_at(document, "image"));
    }
    return plan;
}

}  // namespace

std::string ServicePlan::digest() const {
    json of = plan_json(*this);
    // Neither says what one replica is.
    of["spec"].erase("replicas");
    of["spec"].erase("drain_timeout");
    return core::sha256_hex(of.dump());
}

std::vector<Digest> ServicePlan::holds() const {
    std::vector<Digest> out{base, model};
    for (const auto& adapter : adapters) {
        out.push_back(adapter.manifest);
    }
    if (image) {
        out.push_back(*image);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

EngineInputs ServicePlan::inputs(const store::Store& store, const Path& socket_folder) const {
    EngineInputs inputs{.alias = spec.name,
                        .base_name = spec.base,
                        .base = store.blob_path(base_blob),
                        .socket_folder = socket_folder,
                        .slots = spec.slots,
                        .context = spec.context,
                        .threads = spec.threads};
    for (const auto& adapter : adapters) {
        inputs.adapters.push_back({.name = adapter.name, .file = store.blob_path(adapter.blob)});
    }
    return inputs;
}

Result<ServicePlan> plan_service(const ServiceSpec& spec, const Engine& engine,
                                 const store::Store& store) {
    const Digest base = TRY(store.require(spec.base, Kind::model));
    const Model model = TRY(find_model(spec, engine, store, base));
    TRY(check_bytes(store, model.file, spec.base, engine));
    ServicePlan plan{
        .spec = spec, .base = base, .model = model.manifest, .base_blob = model.file.digest};
    for (const auto& name : spec.adapters) {
        plan.adapters.push_back(TRY(find_adapter(name, plan, engine, store)));
    }
    return plan;
}

std::string encode(const ServicePlan& plan) {
    return plan_json(plan).dump();
}

Result<ServicePlan> decode_plan(std::string_view text) {
    const auto document = json::parse(text, nullptr, false);
    try {
        return plan_from_json(document);
    } catch (const json::exception& error) {
        return fail(Fault::internal, std::string("a stored plan is damaged: ") + error.what());
    }
}

}  // namespace sust::fleet
