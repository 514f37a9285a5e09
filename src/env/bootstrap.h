#pragma once

// Packages to squashfs: mmdebstrap piped into mksquashfs.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/process.h"
#include "core/result.h"
#include "env/build_file.h"
#include "env/build_output.h"
#include "env/lock.h"
#include "env/workspace.h"

namespace sust::env {

struct Bootstrap {
    const BuildFile* file = nullptr;
    std::string mirror;
    std::int64_t epoch = 0;
    std::vector<Package> pins;  // locked: exactly these and no others
    core::Environment environment;
    Builder builder = Builder::root;
    core::Path folder;  // of the build; becomes image.sqsh, packages.txt
    std::function<bool()> cancelled;
};

core::Result<void> bootstrap(const Bootstrap& task, const OnProgress& progress,
                             const core::Clock& clock);

// The apt preferences that allow the packages of a lock and nothing else.
std::string pin_file(const std::vector<Package>& pins);

}  // namespace sust::env
