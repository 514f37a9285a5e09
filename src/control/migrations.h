#pragma once

#include "core/sql.h"

namespace sust::control {

// Brings the tables that control owns to their last step.
core::Result<void> migrate(core::Database& database);

}  // namespace sust::control
