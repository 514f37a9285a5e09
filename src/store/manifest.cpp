#include "store/manifest.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "store/json.h"
#include "store/limits.h"
#include "store/media_types.h"

namespace sust::store {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr std::array<std::pair<Kind, std::string_view>, 7> k_kinds{{
    {Kind::model, "model"},
    {Kind::adapter, "adapter"},
    {Kind::dataset, "dataset"},
    {Kind::image, "image"},
    {Kind::statement, "statement"},
    {Kind::report, "report"},
    {Kind::other, "other"},
}};

std::string annotation(const std::map<std::string, std::string>& annotations,
                       std::string_view key) {
    const auto found = annotations.find(std::string(key));
    return found == annotations.end() ? std::string() : found->second;
}

// ModelPack has one artifact type for all three kinds. Ours say which; of others we look at what
// is in them.
Kind kind_of_modelpack(const Manifest& manifest) {
    const auto said = parse_kind(annotation(manifest.annotations, k_kind));
    if (said && (*said == Kind::model || *said == Kind::adapter || *said == Kind::dataset)) {
        return *said;
    }
    bool has_data = false;
    bool has_more = false;
    for (const auto& layer : manifest.layers) {
        if (Manifest::path_of(layer) == "adapter_config.json") {
            return Kind::adapter;
        }
        has_data |= layer.media_type == k_dataset_type;
        has_more |= layer.media_type != k_dataset_type && layer.media_type != k_doc_type;
    }
    return has_data && !has_more ? Kind::dataset : Kind::model;
}

Result<std::vector<Descriptor>> layers_from(const Json& json) {
    const auto found = json.find("layers");
    if (found == json.end() || !found->is_array()) {
        return fail(Fault::invalid, "'layers' is missing or no list", {"manifest"});
    }
    std::vector<Descriptor> layers;
    for (std::size_t i = 0; i < found->size(); ++i) {
        layers.push_back(TRY(descriptor_from((*found)[i], fmt::format("manifest: layers[{}]", i))));
    }
    return layers;
}

}  // namespace

std::string_view to_string(Kind kind) {
    const auto* const found = std::find_if(k_kinds.begin(), k_kinds.end(),
                                           [&](const auto& row) { return row.first == kind; });
    return found->second;
}

Result<Kind> parse_kind(std::string_view text) {
    for (const auto& [kind, name] : k_kinds) {
        if (name == text) {
            return kind;
        }
    }
    return fail(Fault::invalid, "no artifact kind '" + core::printable(text) + "'");
}

std::string Manifest::encode() const {
    Json json;
    json["schemaVersion"] = 2;
    json["mediaType"] = k_manifest_type;
    if (!artifact_type.empty()) {
        json["artifactType"] = artifact_type;
    }
    json["config"] = to_json(config);
    json["layers"] = Json::array();
    for (const auto& layer : layers) {
        json["layers"].push_back(to_json(layer));
    }
    if (subject) {
        json["subject"] = to_json(*subject);
    }
    if (!annotations.empty()) {
        json["annotations"] = annotations;
    }
    return print_json(json);
}

Result<Manifest> Manifest::decode(std::string_view bytes) {
    const auto json = TRY(parse_object(bytes, "manifest"));
    TRY(check_schema_version(json, "manifest"));
    const auto media_type = text_or_empty(json, "mediaType");
    if (!media_type.empty() && media_type != k_manifest_type) {
        return fail(Fault::invalid,
                    "media type '" + core::printable(media_type) + "' is no image manifest",
                    {"manifest"});
    }
    if (!json.contains("config")) {
        return fail(Fault::invalid, "'config' is missing", {"manifest"});
    }
    auto config = TRY(descriptor_from(json.at("config"), "manifest: config"));
    auto layers = TRY(layers_from(json));
    auto annotations = TRY(text_map(json, "annotations", "manifest"));
    Manifest manifest{.artifact_type = text_or_empty(json, "artifactType"),
                      .config = std::move(config),
                      .layers = std::move(layers),
                      .annotations = std::move(annotations)};
    const auto subject = json.find("subject");
    if (subject != json.end() && !subject->is_null()) {
        manifest.subject = TRY(descriptor_from(*subject, "manifest: subject"));
    }
    return manifest;
}

Kind Manifest::kind() const {
    // The specification's fall-back: no artifactType, then the config's media type tells.
    if (artifact_type == k_model_type || config.media_type == k_model_config_type) {
        return kind_of_modelpack(*this);
    }
    if (artifact_type == k_squashfs_type) {
        return Kind::image;
    }
    if (artifact_type == k_in_toto_type) {
        return Kind::statement;
    }
    return artifact_type == k_report_type ? Kind::report : Kind::other;
}

std::optional<Digest> Manifest::base() const {
    auto digest = Digest::parse(annotation(annotations, k_base));
    return digest ? std::optional(std::move(*digest)) : std::nullopt;
}

std::uint64_t Manifest::file_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& layer : layers) {
        bytes += layer.size;
    }
    return bytes;
}

std::string Manifest::path_of(const Descriptor& layer) {
    auto path = annotation(layer.annotations, k_file_path);
    return path.empty() ? annotation(layer.annotations, k_title) : path;
}

Result<void> check_file_path(std::string_view path) {
    const auto bad = [&](std::string_view why) {
        return fail(Fault::invalid, fmt::format("file path '{}' {}", core::printable(path), why));
    };
    const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (path.size() > k_max_path_bytes) {
        return bad(fmt::format("is over {} bytes", k_max_path_bytes));
    }
    if (!core::is_utf8(path) || std::any_of(path.begin(), path.end(), is_control)) {
        return bad("has a control character or is not UTF-8");
    }
    for (const auto& part : core::split(path, '/')) {
        if (part.empty() || part == "." || part == "..") {
            return bad("must be relative, without '.', '..' or empty parts");
        }
    }
    return {};
}

}  // namespace sust::store
