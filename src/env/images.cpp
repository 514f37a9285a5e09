#include "env/images.h"

#include <algorithm>
#include <system_error>

#include "env/extract.h"
#include "env/hold.h"

namespace sust::env {

using core::Result;

namespace {

Result<ImageInfo> describe(const store::Store& store, std::string name,
                           const store::Digest& digest) {
    auto manifest = TRY(store.manifest(digest));
    ImageInfo info{.name = std::move(name), .digest = digest};
    for (const auto& layer : manifest.layers) {
        info.bytes += layer.size;
    }
    // Images may come from elsewhere with a config of their own.
    if (auto lock = Lock::decode(TRY(store.read_blob(manifest.config.digest)))) {
        info.lock = std::move(*lock);
    }
    for (const auto& root : TRY(store.roots())) {
        if (std::find(root.holds.begin(), root.holds.end(), digest) != root.holds.end()) {
            info.used_by.push_back(root.owner);
        }
    }
    return info;
}

// A name of its own first: a killed removal leaves no copy that looks whole.
Result<void> remove_copy(const Path& folder, const std::string& key) {
    auto doomed = folder / ("." + key + ".part");
    std::error_code error;
    std::filesystem::rename(folder / key, doomed, error);
    return remove_stubborn_tree(doomed);
}

}  // namespace

Result<std::vector<ImageInfo>> list_images(store::Store& store) {
    TRY(release_stale_mounts(store));
    std::vector<ImageInfo> images;
    for (const auto& named : TRY(store.list(store::Kind::image))) {
        images.push_back(TRY(describe(store, named.name, named.digest)));
    }
    return images;
}

Result<ImageInfo> show_image(store::Store& store, std::string_view name) {
    TRY(release_stale_mounts(store));
    auto digest = TRY(store.require(name, store::Kind::image));
    return describe(store, std::string(name), digest);
}

Result<void> remove_image(store::Store& store, std::string_view name) {
    TRY(release_stale_mounts(store));
    TRY(store.require(name, store::Kind::image));
    return store.remove_name(name);
}

Result<int> remove_orphan_copies(const store::Store& store, const core::Places& places) {
    int removed = 0;
    auto folder = places.cache / "environments";
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
        auto key = at->path().filename().string();
        auto digest = store::Digest::parse("sha256:" + key);
        if (digest && !store.has_blob(*digest)) {
            TRY(remove_copy(folder, key));
            ++removed;
        }
    }
    return removed;
}

}  // namespace sust::env
