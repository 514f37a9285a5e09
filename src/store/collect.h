#pragma once

#include <set>
#include <vector>

#include "store/blobs.h"
#include "store/index.h"
#include "store/names.h"
#include "store/roots.h"

namespace sust::store {

// What these digests reach: through manifests and indexes to their blobs, from an adapter to its
// base, from an artifact to the statements about it, and from provenance to what it was made of.
// Fails rather than guesses: what a damaged manifest would reach is unknown.
Result<std::set<Digest>> reachable(const Blobs& blobs, const Index& index,
                                   const std::vector<Digest>& from);

// See Store::collect.
Result<Garbage> collect_garbage(const Layout& layout, const Blobs& blobs, const Names& names,
                                const Roots& roots, core::Duration grace, Store::DryRun dry_run);

}  // namespace sust::store
