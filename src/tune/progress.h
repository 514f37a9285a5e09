#pragma once

// How far a stage is: the last lines of <work>/progress.jsonl.

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/file.h"
#include "core/result.h"

namespace sust::tune {

struct Progress {
    std::string stage;
    std::int64_t step = 0;
    std::int64_t steps = 0;
    std::optional<double> loss;
    std::optional<double> tokens_per_second;
    std::optional<double> eta_seconds;

    bool operator==(const Progress&) const = default;
};

void to_json(nlohmann::json& json, const Progress& progress);

// The last whole, well-formed line; reads at most the last 16 KiB. An absent file is a value.
core::Result<std::optional<Progress>> read_progress(const core::Path& file);
core::Result<void> append_progress(const core::Path& file, const Progress& progress);

}  // namespace sust::tune
