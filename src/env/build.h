#pragma once

// Builds an environment image: a build file (or a lock) becomes a squashfs artifact of the store.
// Nothing is visible before all of it is there; a build that was killed leaves only a directory
// that the next one removes.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/places.h"
#include "core/process.h"
#include "env/bootstrap.h"
#include "env/build_file.h"
#include "env/lock.h"
#include "store/store.h"

namespace sust::env {

enum class Again { no, yes };  // build although the same inputs were built before

struct BuildRequest {
    BuildFile file;
    std::optional<Lock> locked;         // exactly these versions
    std::optional<std::string> mirror;  // a setting; the file's own wins
    Again again = Again::no;
    core::Environment environment;    // the caller's: PATH and proxies are taken from it
    std::function<bool()> cancelled;  // asked a few times per second; from this thread
};

struct Built {
    store::Digest manifest;
    Lock lock;
    bool was_there = false;  // the same inputs had been built already
    double seconds = 0;
};

// Blocks for seconds to minutes. Faults: exhausted (disk), unavailable (mirror, network, stopped),
// invalid (packages), denied (a plain user without subordinate ids), not_found (locked versions).
core::Result<Built> build_image(const BuildRequest& request, store::Store& store,
                                const core::Places& places, const core::Clock& clock,
                                const OnProgress& progress);

}  // namespace sust::env
