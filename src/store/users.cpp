#include "store/users.h"

#include <algorithm>

#include <fmt/format.h>

namespace sust::store {

namespace {

// The artifact itself, its base, the base of that. A damaged manifest ends the chain: it can no
// longer be served, so it needs nothing.
bool builds_on(const Store& store, Digest digest, const Digest& wanted) {
    constexpr int k_max_chain = 16;
    for (int i = 0; i < k_max_chain; ++i) {
        if (digest == wanted) {
            return true;
        }
        const auto manifest = store.manifest(digest);
        const auto base = manifest ? manifest->base() : std::nullopt;
        if (!base) {
            return false;
        }
        digest = *base;
    }
    return false;
}

}  // namespace

Result<std::vector<User>> users_of(const Store& store, const Digest& digest) {
    std::vector<User> users;
    for (const auto& root : TRY(store.roots())) {
        const auto holds = [&](const Digest& held) { return builds_on(store, held, digest); };
        if (std::any_of(root.holds.begin(), root.holds.end(), holds)) {
            users.push_back({.kind = root.kind,
                             .id = root.id,
                             .text = root.owner.empty() ? fmt::format("{} {}", root.kind, root.id)
                                                        : root.owner});
        }
    }
    for (const auto& named : TRY(store.list(Kind::adapter))) {
        if (named.digest != digest && builds_on(store, named.digest, digest)) {
            users.push_back({.kind = "adapter",
                             .id = named.name,
                             .text = fmt::format("adapter {}", named.name)});
        }
    }
    return users;
}

}  // namespace sust::store
