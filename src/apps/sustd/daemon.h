#pragma once

#include "core/log.h"
#include "core/places.h"
#include "core/process.h"
#include "core/result.h"

namespace sust::daemon {

struct Setup {
    core::Places places;
    core::Path root;  // --root, empty if not given
    core::Environment environment;
    uid_t uid = 0;
    std::string version;
};

// Puts the parts together, serves until SIGTERM or SIGINT. conflict: another sustd has this root.
core::Result<void> serve(const Setup& setup, const core::Clock& clock, const core::Log& log);

}  // namespace sust::daemon
