#pragma once

// What every verb is handed: places, clock, environment and how to print. Made once in main.

#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "apps/sust/verb.h"
#include "core/clock.h"
#include "core/places.h"
#include "core/settings.h"

namespace sust::cli {

// What may be said with every verb.
struct Global {
    core::Path root;
    std::vector<std::string> config;  // KEY=VALUE
    bool json = false;
    bool yes = false;
    bool quiet = false;
};

struct Context {
    core::SystemClock clock;
    core::Environment environment;
    core::Places places;
    core::Path root;                               // --root or SUST_ROOT, empty if not said
    std::string root_source;                       // which of the two
    std::map<std::string, std::string> overrides;  // --config KEY=VALUE
    bool json = false;
    bool yes = false;
    bool quiet = false;
    std::string version;

    core::Path program(std::string_view name) const { return places.bin / name; }
    // "sust --root DIR up": a command to paste, for hints.
    std::string command(std::string_view words) const;
    Result<core::Settings> settings() const;
};

std::span<const core::SettingSpec> setting_specs();

// The places of `root` and what else was said, beside the environment that is there already.
Result<void> take_global(Context& context, const Global& global);
Result<void> take_root(Context& context, const core::Path& root);

// Asks on the terminal before something is destroyed; without a terminal --yes must be said.
Result<void> confirm(const Context& context, std::string_view question);

}  // namespace sust::cli
