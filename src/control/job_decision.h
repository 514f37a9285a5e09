#pragma once

// Whether a job goes on after an attempt has ended: a pure function of what is known.

#include "control/job.h"

namespace sust::control {

struct Decision {
    enum class What { end, segment, retry } what = What::end;
    core::Duration pause{};  // before the next attempt
    std::string why;         // for people: "attempt 2 of 4 after node_lost"
};

// `job.attempts` holds the attempt that has just ended. `longest` is what its back end allows one
// attempt.
Decision decide(const Job& job, std::optional<core::Duration> longest);
// The time limit of the next attempt; nothing: that of the request.
std::optional<core::Duration> next_time_limit(const Job& job,
                                              std::optional<core::Duration> longest);

}  // namespace sust::control
