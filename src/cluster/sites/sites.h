#pragma once

// The back ends that a site has besides this machine: backends.toml (docs/operate/slurm.md). Each
// type reads its own table.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/scheduler.h"
#include "core/log.h"
#include "core/toml.h"

namespace sust::cluster {

// What the file need not say.
struct SiteDefaults {
    Path agent;                       // ours, which nodes see too where the file system is shared
    core::Environment base;           // of wrappers
    Path data{};                      // ours, for what a back end keeps on this machine
    core::Environment environment{};  // of this process, for programs that prove who asks
    std::vector<Path> shapes{};       // folders of templates of jobs; the first has precedence
};

// Live jobs of one back end: as many as control keeps of all. Each costs microseconds a period.
inline constexpr std::size_t k_live_jobs_max = 10'000;

// A back end that was read and not opened.
struct Site {
    std::string name;
    std::function<Result<std::unique_ptr<Scheduler>>(const core::Clock&, core::Log)> open;
};

// Every [backend.NAME] of the file; wrong keys and values are errors with their place.
Result<std::vector<Site>> read_sites(std::string_view text, const std::string& origin,
                                     const SiteDefaults& defaults);

// Opens each. One that cannot be opened now (its directory is away) is told in the log and left
// out; the others serve.
std::vector<std::unique_ptr<Scheduler>> open_sites(const std::vector<Site>& sites,
                                                   const core::Clock& clock, const core::Log& log);

// Keys that the types share: `key` as an absolute path, and a duration that is not below `least`.
Result<Path> absolute_path(const core::TomlTable& table, std::string_view key, Path otherwise);
Result<Duration> at_least(const core::TomlTable& table, std::string_view key, Duration least,
                          Duration usual);

}  // namespace sust::cluster
