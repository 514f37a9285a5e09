#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/manifest.h"

namespace sust::store {

// A ModelPack artifact before it is stored.
struct ModelPack {
    std::string config;  // JSON, the bytes that manifest.config describes
    Manifest manifest;
};

// Pure: the same files (in any order) and facts give the same bytes. invalid: no files, a path
// that is refused or there twice, an adapter without a base, a base where none belongs.
core::Result<ModelPack> compose(Kind kind, std::vector<File> files, const ModelFacts& facts,
                                const std::optional<Digest>& base);

// The layer's media type, told by the file's name.
std::string_view layer_type(Kind kind, std::string_view path);

}  // namespace sust::store
