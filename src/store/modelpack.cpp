#include "store/modelpack.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "store/json.h"
#include "store/media_types.h"

namespace sust::store {

using core::fail;
using core::Fault;
using core::Result;

namespace {

struct Suffix {
    std::string_view suffix;
    std::string_view media_type;
};

// The first match decides, so .jsonl stands before .json.
constexpr std::array k_suffixes{
    Suffix{".safetensors", k_weight_type},
    Suffix{".gguf", k_weight_type},
    Suffix{".bin", k_weight_type},
    Suffix{".pt", k_weight_type},
    Suffix{".pth", k_weight_type},
    Suffix{".onnx", k_weight_type},
    Suffix{".jsonl", k_dataset_type},
    Suffix{".jsonl.xz", k_dataset_type},
    Suffix{".jsonl.gz", k_dataset_type},
    Suffix{".jsonl.zst", k_dataset_type},
    Suffix{".parquet", k_dataset_type},
    Suffix{".csv", k_dataset_type},
    Suffix{".tsv", k_dataset_type},
    Suffix{".arrow", k_dataset_type},
    Suffix{".md", k_doc_type},
    Suffix{".pdf", k_doc_type},
    Suffix{".json", k_weight_config_type},
    Suffix{".jinja", k_weight_config_type},
    Suffix{".toml", k_weight_config_type},
    Suffix{".yaml", k_weight_config_type},
    Suffix{".yml", k_weight_config_type},
    Suffix{".txt", k_weight_config_type},
    Suffix{".model", k_weight_config_type},  // SentencePiece
};

constexpr std::array<std::string_view, 5> k_documents{"README", "LICENSE", "LICENCE", "NOTICE",
                                                      "COPYING"};

bool is_document(std::string_view path) {
    const auto name = path.substr(path.rfind('/') + 1);
    return std::any_of(k_documents.begin(), k_documents.end(),
                       [&](std::string_view document) { return name.starts_with(document); });
}

// What a file system would say, without what differs from one machine to the next.
std::string file_metadata(const File& file) {
    return print_json(Json{{"name", file.path},
                           {"mode", 0644},
                           {"uid", 0},
                           {"gid", 0},
                           {"size", file.size},
                           {"mtime", "1970-01-01T00:00:00Z"},
                           {"typeflag", '0'}});
}

Descriptor layer_of(Kind kind, const File& file) {
    return Descriptor{.media_type = std::string(layer_type(kind, file.path)),
                      .digest = file.digest,
                      .size = file.size,
                      .annotations = {{std::string(k_file_path), file.path},
                                      {std::string(k_title), file.path},
                                      {std::string(k_file_metadata), file_metadata(file)}}};
}

void put_if_said(Json& object, const char* key, const std::string& value) {
    if (!value.empty()) {
        object[key] = value;
    }
}

std::string config_of(const std::vector<File>& files, const ModelFacts& facts) {
    Json descriptor = Json::object();
    put_if_said(descriptor, "family", facts.family);
    put_if_said(descriptor, "name", facts.name);
    put_if_said(descriptor, "title", facts.title);
    put_if_said(descriptor, "description", facts.description);
    if (!facts.licenses.empty()) {
        descriptor["licenses"] = facts.licenses;
    }
    Json config = Json::object();
    put_if_said(config, "architecture", facts.architecture);
    put_if_said(config, "format", facts.format);
    put_if_said(config, "paramSize", facts.param_size);
    put_if_said(config, "precision", facts.precision);
    Json diff_ids = Json::array();
    for (const auto& file : files) {
        diff_ids.push_back(file.digest.str());
    }
    return print_json(Json{{"descriptor", std::move(descriptor)},
                           {"config", std::move(config)},
                           {"modelfs", {{"type", "layers"}, {"diffIds", std::move(diff_ids)}}}});
}

// Files are sorted by path, so a path and one below it need not be neighbours ("a", "a.b", "a/b").
bool lies_below_a_file(const std::vector<File>& files, const File& file) {
    for (auto cut = file.path.rfind('/'); cut != std::string::npos && cut > 0;
         cut = file.path.rfind('/', cut - 1)) {
        const auto parent = file.path.substr(0, cut);
        if (std::binary_search(files.begin(), files.end(), File{parent, file.digest},
                               [](const File& a, const File& b) { return a.path < b.path; })) {
            return true;
        }
    }
    return false;
}

Result<void> check_files(const std::vector<File>& files) {
    if (files.empty()) {
        return fail(Fault::invalid, "an artifact needs at least one file");
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
        TRY(check_file_path(files[i].path));
        if (i > 0 && files[i].path == files[i - 1].path) {
            return fail(Fault::invalid, "file '" + files[i].path + "' is named twice");
        }
        if (lies_below_a_file(files, files[i])) {
            return fail(Fault::invalid, "file '" + files[i].path + "' lies below another file");
        }
    }
    return {};
}

Result<void> check_facts(const ModelFacts& facts) {
    std::vector<const std::string*> texts{&facts.name,        &facts.family,       &facts.title,
                                          &facts.description, &facts.architecture, &facts.format,
                                          &facts.param_size,  &facts.precision};
    for (const auto& license : facts.licenses) {
        texts.push_back(&license);
    }
    for (const auto* text : texts) {
        if (!core::is_utf8(*text)) {
            return fail(Fault::invalid, "'" + core::printable(*text) + "' is not UTF-8");
        }
    }
    return {};
}

Result<void> check_base(Kind kind, const std::optional<Digest>& base) {
    if (kind != Kind::model && kind != Kind::adapter && kind != Kind::dataset) {
        return fail(Fault::invalid, fmt::format("a {} is not made of files", to_string(kind)));
    }
    if (kind == Kind::adapter && !base) {
        return fail(Fault::invalid, "an adapter needs the model that it changes",
                    {.hint = "name its base"});
    }
    if (kind != Kind::adapter && base) {
        return fail(Fault::invalid, fmt::format("a {} has no base", to_string(kind)));
    }
    return {};
}

}  // namespace

std::string_view layer_type(Kind kind, std::string_view path) {
    if (is_document(path)) {
        return k_doc_type;
    }
    const auto found = std::find_if(k_suffixes.begin(), k_suffixes.end(),
                                    [&](const Suffix& row) { return path.ends_with(row.suffix); });
    const auto media_type = found == k_suffixes.end() ? k_code_type : found->media_type;
    // Whatever a dataset's files are called, data is what they are.
    return kind == Kind::dataset && media_type != k_doc_type ? k_dataset_type : media_type;
}

Result<ModelPack> compose(Kind kind, std::vector<File> files, const ModelFacts& facts,
                          const std::optional<Digest>& base) {
    std::sort(files.begin(), files.end(),
              [](const File& a, const File& b) { return a.path < b.path; });
    TRY(check_base(kind, base));
    TRY(check_facts(facts));
    TRY(check_files(files));
    auto config = config_of(files, facts);
    Manifest manifest{.artifact_type = std::string(k_model_type),
                      .config = {.media_type = std::string(k_model_config_type),
                                 .digest = Digest::of(config),
                                 .size = config.size()},
                      .layers = {},
                      .annotations = {{std::string(k_kind), std::string(to_string(kind))}}};
    for (const auto& file : files) {
        manifest.layers.push_back(layer_of(kind, file));
    }
    if (base) {
        manifest.annotations[std::string(k_base)] = base->str();
    }
    return ModelPack{std::move(config), std::move(manifest)};
}

}  // namespace sust::store
