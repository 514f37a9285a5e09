#pragma once

// An environment image as an OCI image (image-spec 1.1: layout, config, manifest), for container
// runtimes and registries: one layer, the image's files as an uncompressed tar.

#include <functional>
#include <string>

#include "core/clock.h"
#include "core/places.h"
#include "store/store.h"

namespace sust::env {

struct ExportRequest {
    std::string image;              // its name in the store
    core::Path target;              // a layout's directory, or an archive if it ends in .tar
    std::string reference;          // what container runtimes call it: "llama-cpp:latest"
    core::Environment environment;  // the caller's PATH
    std::function<bool()> cancelled;
};

struct Exported {
    store::Digest manifest;
    std::uint64_t bytes = 0;  // of the layer
};

// Called a few times a second with the bytes of the layer so far.
using OnExport = std::function<void(std::uint64_t bytes)>;

// Blocks for seconds to minutes. Beside `target` until it is whole; the same image gives the same
// digest. conflict: the target is there; exhausted: too little disk; unavailable: stopped.
core::Result<Exported> export_image(const ExportRequest& request, const store::Store& store,
                                    const core::Clock& clock, const OnExport& progress);

}  // namespace sust::env
