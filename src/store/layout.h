#pragma once

#include <memory>
#include <string_view>

#include "core/clock.h"
#include "core/file.h"
#include "core/result.h"
#include "store/digest.h"
#include "store/temporary.h"

namespace sust::store {

// Held by the caller while it changes index.json, roots/ or the set of blobs. A parameter of this
// type says that the lock must be held, so that it is never taken twice.
using Lock = core::FileLock;

// Where everything of the store lies on disk, and the two ways to change it: under the lock, whole.
class Layout {
  public:
    static core::Result<std::shared_ptr<const Layout>> open(const core::Path& folder,
                                                            const core::Clock& clock);

    const core::Path& folder() const { return folder_; }
    core::Path index() const { return folder_ / "index.json"; }
    core::Path previous_index() const { return folder_ / "index.json.previous"; }
    core::Path blobs() const { return folder_ / "blobs" / "sha256"; }
    core::Path blob(const Digest& digest) const { return blobs() / digest.hex(); }
    core::Path roots() const { return folder_ / "roots"; }
    core::Path temporary() const { return folder_ / "tmp"; }
    const core::Clock& clock() const { return *clock_; }

    // Shared by all processes and threads; waits at most k_lock_patience.
    core::Result<Lock> lock() const;
    // The file at `place` is the old or the new one at every moment.
    core::Result<void> replace(const core::Path& place, std::string_view bytes, const Lock& held,
                               Durable durable = Durable::yes) const;

  private:
    Layout(core::Path folder, const core::Clock& clock)
        : folder_(std::move(folder)), clock_(&clock) {}
    core::Result<void> create() const;

    core::Path folder_;
    const core::Clock* clock_;
};

}  // namespace sust::store
