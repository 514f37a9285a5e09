#pragma once

// Whether the files of a model or adapter are what a trainer or an engine can load: asked before
// the first byte is uploaded, and again where the artifact is made.

#include <string>
#include <vector>

#include "core/file.h"
#include "core/result.h"
#include "store/manifest.h"

namespace sust::tune {

struct ModelFile {
    std::string path;  // in the model
    core::Path place;  // where its bytes are now
};

// A model: weights in safetensors with a config.json that says what network they are, or GGUF.
// An adapter: safetensors with an adapter_config.json, or GGUF. Reads configurations and headers.
// invalid names every file that is wrong, and what is.
core::Result<void> check_model(const std::vector<ModelFile>& files, store::Kind kind);

}  // namespace sust::tune
