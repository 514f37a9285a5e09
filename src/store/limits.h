#pragma once

// Every bound of the store, with its reason.

#include <cstddef>

#include "core/clock.h"

namespace sust::store {

// Registries refuse larger manifests (the distribution specification asks for at least 4 MiB), so
// a larger one could never leave the store. About 8,000 files.
inline constexpr std::size_t k_max_manifest_bytes = 4 << 20;
// About 150,000 names; the file is read and written whole.
inline constexpr std::size_t k_max_index_bytes = 64 << 20;
// About 14,000 digests.
inline constexpr std::size_t k_max_root_bytes = 1 << 20;
inline constexpr std::size_t k_max_statement_bytes = 4 << 20;
// JSON of ours nests a handful deep; deeper input is hostile, and printing it recurses.
inline constexpr int k_max_json_depth = 64;
inline constexpr std::size_t k_max_path_bytes = 1024;
// The lock is held for milliseconds, except by a collection over very many blobs.
inline constexpr core::Duration k_lock_patience = std::chrono::seconds{60};
// The nodes of one lineage tree; what is left out is said.
inline constexpr std::size_t k_max_lineage_nodes = 1000;

}  // namespace sust::store
