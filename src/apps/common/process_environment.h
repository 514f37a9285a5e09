#pragma once

#include "core/process.h"

namespace sust::apps {

// The environment of this process as a value. Called once, in main; everything below is handed it.
core::Environment process_environment();

}  // namespace sust::apps
