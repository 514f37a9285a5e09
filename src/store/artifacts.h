#pragma once

#include <string>
#include <string_view>

#include "store/blobs.h"
#include "store/manifest.h"

namespace sust::store {

// Manifests as blobs, and that all their parts are there.
class Artifacts {
  public:
    explicit Artifacts(Blobs blobs) : blobs_(std::move(blobs)) {}

    Result<Manifest> read(const Digest& digest) const;
    // Refuses one whose parts are not all in the store: nothing incomplete is ever visible.
    Result<Descriptor> put(const Manifest& manifest, const Lock& held) const;
    // not_found or invalid, naming the first part that is missing or has another size.
    Result<void> check_complete(const Manifest& manifest) const;
    // As an entry of index.json or a subject says it.
    Result<Descriptor> describe(const Digest& digest) const;
    // What a list shows; a damaged manifest does not hide the others.
    Named look_at(std::string name, const Descriptor& entry) const;

  private:
    Blobs blobs_;
};

}  // namespace sust::store
