#pragma once

// The back ends that a site has besides this machine: backends.toml (docs/operate/slurm.md).

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/scheduler.h"
#include "cluster/slurm.h"
#include "core/log.h"

namespace sust::cluster {

// What the file need not say.
struct SiteDefaults {
    Path agent;              // ours, which nodes see too where the file system is shared
    core::Environment base;  // of wrappers
};

// Every [backend.NAME] of the file; wrong keys and values are errors with their place.
Result<std::vector<SlurmOptions>> read_backends(std::string_view text, const std::string& origin,
                                                const SiteDefaults& defaults);

// Opens each. One that cannot be opened now (its directory is away) is told in the log and left
// out; the others serve.
std::vector<std::unique_ptr<Scheduler>> open_backends(std::vector<SlurmOptions> sites,
                                                      const core::Clock& clock,
                                                      const core::Log& log);

}  // namespace sust::cluster
