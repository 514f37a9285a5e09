#pragma once

// What a mirror says about a suite, read before anything is built: whether it can be reached, how
// old it is, and which versions it has.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/process.h"
#include "core/result.h"
#include "env/build_file.h"
#include "env/lock.h"

namespace sust::env {

// Fetches through apt's own helper, so that proxies, certificates and file: mirrors work as they
// do for apt. unavailable: names the mirror and quotes the reason.
class MirrorReader {
  public:
    MirrorReader(std::string mirror, core::Path folder, core::Environment environment,
                 const core::Clock& clock)
        : mirror_(std::move(mirror)),
          folder_(std::move(folder)),
          environment_(std::move(environment)),
          clock_(clock) {}

    // Seconds since 1970 at which the suite was last changed.
    core::Result<std::int64_t> suite_date(const std::string& suite) const;
    // not_found: names what of the lock the mirror no longer has, and what it has instead.
    core::Result<void> require_packages(const BuildFile& file, const Lock& lock) const;

  private:
    core::Result<core::Path> fetch(const std::string& path, const std::string& as) const;

    std::string mirror_;
    core::Path folder_;
    core::Environment environment_;
    const core::Clock& clock_;
};

// The Date field of a Release file: "Sat, 08 Nov 2025 10:18:37 UTC".
core::Result<std::int64_t> date_of_release(std::string_view release);

}  // namespace sust::env
