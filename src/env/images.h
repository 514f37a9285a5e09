#pragma once

// The images of a store, as `sust image ls|show|rm` tell of them.

#include <optional>
#include <string>
#include <vector>

#include "core/places.h"
#include "env/lock.h"
#include "store/store.h"

namespace sust::env {

struct ImageInfo {
    std::string name;
    store::Digest digest;
    std::uint64_t bytes = 0;
    std::optional<Lock> lock;          // absent: an image that came without one
    std::vector<std::string> used_by;  // the owners of the roots that hold it
};

core::Result<std::vector<ImageInfo>> list_images(store::Store& store);
core::Result<ImageInfo> show_image(store::Store& store, std::string_view name);
// Takes the name away; collecting garbage frees the bytes. conflict: it is in use, by whom.
core::Result<void> remove_image(store::Store& store, std::string_view name);
// Removes extracted copies whose image the store no longer has, for garbage collection; returns
// how many.
core::Result<int> remove_orphan_copies(const store::Store& store, const core::Places& places);

}  // namespace sust::env
