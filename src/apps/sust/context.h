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

struct Context {
    core::SystemClock clock;
    core::Environment environment;
    core::Places places;
    core::Path root;                               // --root, empty if not said
    std::map<std::string, std::string> overrides;  // --config KEY=VALUE
    bool json = false;
    bool yes = false;
    bool quiet = false;
    std::string version;

    core::Path program(std::string_view name) const { return places.bin / name; }
    Result<core::Settings> settings() const;
};

std::span<const core::SettingSpec> setting_specs();

// Asks on the terminal before something is destroyed; without a terminal --yes must be said.
Result<void> confirm(const Context& context, std::string_view question);

}  // namespace sust::cli
