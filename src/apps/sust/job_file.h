#pragma once

// job.toml as the API takes it, with what --set and --backend say instead.

#include <nlohmann/json_fwd.hpp>

#include "apps/sust/verb.h"

namespace sust::cli {

// Of FILE, --set and --backend. Wrong keys and values are named with their place in the file, or
// with the name of the setting.
Result<nlohmann::json> read_job_file(const Arguments& arguments);

// Puts `value` at a path like "time.limit": as TOML where it is TOML (2, true, [1, 2]), otherwise
// as text.
Result<void> set_key(nlohmann::json& document, const std::string& path, const std::string& value);

}  // namespace sust::cli
