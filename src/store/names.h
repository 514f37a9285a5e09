#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/blobs.h"
#include "store/index.h"
#include "store/layout.h"

namespace sust::store {

// index.json of a layout: names of artifacts, and under "sha256-<hex>" the list of what refers to
// the artifact of that digest. That is the tag schema by which OCI registries without a referrers
// API keep statements, so a plain copy of the two names carries an artifact with its lineage.
class Names {
  public:
    Names(std::shared_ptr<const Layout> layout, Blobs blobs)
        : layout_(std::move(layout)), blobs_(std::move(blobs)) {}

    // Whole at every moment, so no lock is needed to read.
    Result<Index> read() const;
    Result<void> write(const Index& index, const Lock& held) const;

    // Manifests of statements about `subject`, oldest first.
    Result<std::vector<Descriptor>> referrers(const Digest& subject) const;
    // Twice is once.
    Result<void> add_referrer(const Digest& subject, const Descriptor& statement,
                              const Lock& held) const;

  private:
    std::shared_ptr<const Layout> layout_;
    Blobs blobs_;
};

std::string referrers_tag(const Digest& subject);
// The subject, if `name` has that form.
std::optional<Digest> subject_of_tag(std::string_view name);

}  // namespace sust::store
