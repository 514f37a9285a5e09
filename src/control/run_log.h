#pragma once

// What the jobs of a run print, as one text: stage after stage, of each what it said on standard
// error, then on standard output, as far as they are. The place in it is one number.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "cluster/scheduler.h"
#include "tune/runs.h"

namespace sust::control {

enum class RunStream { out, err, both };
core::Result<RunStream> run_stream_of(const std::string& name);

// Where a reader is. As a number: three bits for the stage, 28 for each stream's bytes (a job
// keeps 64 MiB of each).
struct LogPlace {
    std::size_t stage = 0;  // index of tune::k_stages
    std::uint64_t err = 0;
    std::uint64_t out = 0;

    static LogPlace decode(std::uint64_t number);
    std::uint64_t encode() const;
};

// {"text","next_offset","complete"}; at most 256 KiB of text. `stage` absent: all of them.
core::Result<nlohmann::json> read_run_log(tune::Runs& runs, const tune::Run& run,
                                          std::optional<tune::Stage> stage, RunStream stream,
                                          std::uint64_t number);

}  // namespace sust::control
