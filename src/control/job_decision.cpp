#include "control/job_decision.h"

#include <algorithm>

#include <fmt/format.h>

namespace sust::control {

using cluster::End;
using core::Duration;

namespace {

// A back-off that is doubled for ever would be no retry any more.
constexpr Duration k_pause_max = std::chrono::hours(1);
constexpr int k_doublings_max = 20;

Duration left_of(const Job& job) {
    return std::max(Duration::zero(), job.request.time_limit - time_used(job));
}

Duration segment_of(const Job& job, std::optional<Duration> longest) {
    return std::min(job.request.segment, longest.value_or(Duration::max()));
}

// The time of an attempt was up, and not the time of the job.
bool has_next_segment(const Job& job, std::optional<Duration> longest) {
    // What is left has to be worth a start; a tenth of a segment is.
    const auto segment = std::min(segment_of(job, longest), job.request.time_limit);
    return job.request.segment > Duration::zero() && job.attempts.back().end == End::time_limit &&
           left_of(job) > segment / 10;
}

}  // namespace

Decision decide(const Job& job, std::optional<Duration> longest) {
    const auto& last = job.attempts.back();
    const auto& retry = job.request.retry;
    if (job.cancel_wanted || last.end == End::completed || last.end == End::cancelled) {
        return {};
    }
    if (has_next_segment(job, longest)) {
        return {.what = Decision::What::segment,
                .why = fmt::format("segment {} follows", job.attempts.size() + 1)};
    }
    if (job.retries >= retry.count ||
        std::find(retry.on.begin(), retry.on.end(), last.end) == retry.on.end()) {
        return {};
    }
    const auto doubled = retry.back_off * (1 << std::min(job.retries, k_doublings_max));
    return {.what = Decision::What::retry,
            .pause = std::clamp(doubled, Duration::zero(), std::max(k_pause_max, retry.back_off)),
            .why = fmt::format("retry {} of {} follows {}", job.retries + 1, retry.count,
                               to_string(last.end))};
}

std::optional<Duration> next_time_limit(const Job& job, std::optional<Duration> longest) {
    if (job.request.segment == Duration::zero()) {
        return {};
    }
    return std::max(Duration(1000), std::min(segment_of(job, longest), left_of(job)));
}

}  // namespace sust::control
