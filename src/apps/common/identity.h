#pragma once

#include <string>

#include "core/file.h"
#include "core/result.h"

namespace sust::apps {

// <run>/NAME.pid.json: who this process is. Each daemon writes its own once it holds its lock, so
// that a supervisor that died between starting it and noting it can be followed by another.
core::Result<void> write_identity(const core::Path& run, const std::string& name);

}  // namespace sust::apps
