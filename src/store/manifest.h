#pragma once

// OCI image manifests and the artifact kinds that Sust keeps in them (docs/formats/artifacts.md).
// Sources: OCI image-spec 1.1 (manifest, descriptor), CNCF ModelPack model-spec (config, layers).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/digest.h"

namespace sust::store {

// `other` is what another tool put in: stored and copied, but nothing of ours.
enum class Kind { model, adapter, dataset, image, statement, report, other };
std::string_view to_string(Kind kind);
// invalid if there is no such kind.
core::Result<Kind> parse_kind(std::string_view text);

struct Descriptor {
    std::string media_type;
    Digest digest;
    std::uint64_t size = 0;
    std::map<std::string, std::string> annotations{};
    std::string artifact_type{};

    bool operator==(const Descriptor&) const = default;
};

struct Manifest {
    std::string artifact_type;
    Descriptor config;
    std::vector<Descriptor> layers;
    std::optional<Descriptor> subject{};  // set: a referrer, a statement about that manifest
    std::map<std::string, std::string> annotations{};

    bool operator==(const Manifest&) const = default;

    // Keys in fixed order, no white space: the same manifest gives the same bytes and digest.
    std::string encode() const;
    // Fields that we don't know are passed over, as the specification asks.
    static core::Result<Manifest> decode(std::string_view bytes);
    // From the artifact type; adapters and datasets are told by annotation, or else by layers.
    Kind kind() const;
    // The base that an adapter names.
    std::optional<Digest> base() const;
    // Of its files, which are the layers.
    std::uint64_t file_bytes() const;
    // The path in the artifact's directory of a layer (ModelPack's filepath annotation). From
    // another tool it may be anything: check_file_path.
    static std::string path_of(const Descriptor& layer);
};

// A file of an artifact: its path there (relative, no "..") and its bytes, already in the store.
struct File {
    std::string path;
    Digest digest;
    std::uint64_t size = 0;
};

// Relative, UTF-8, no "." or ".." or empty part, no control character, at most 1024 bytes.
core::Result<void> check_file_path(std::string_view path);

// What a ModelPack config says beyond the files. Empty fields are left out.
struct ModelFacts {
    std::string name{};
    std::string family{};
    std::string title{};
    std::string description{};
    std::string architecture{};
    std::string format{};                 // "safetensors", "gguf", "peft", "jsonl"
    std::string param_size{};             // "3.7M"
    std::string precision{};              // "bfloat16"
    std::vector<std::string> licenses{};  // SPDX
};

}  // namespace sust::store
