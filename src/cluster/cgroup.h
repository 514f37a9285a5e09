#pragma once

// Where this process may make control groups that limit memory (cgroup v2), if anywhere: a
// subtree that is delegated to it, or any as root.

#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/result.h"

namespace sust::cluster {

// Makes "sust" under the first place that allows it. `wanted` is a place that was configured, and
// then the only one. unavailable: there is none, with the reason.
core::Result<core::Path> open_cgroups(const core::Path& wanted);

// The folder of the unified hierarchy in /proc/self/mountinfo, and the group of this process in
// /proc/self/cgroup; empty where there is none.
core::Path unified_mount(std::string_view mountinfo);
core::Path own_group(std::string_view cgroups);

}  // namespace sust::cluster
