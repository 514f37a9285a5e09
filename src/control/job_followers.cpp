#include "control/job_followers.h"

#include <nlohmann/json.hpp>

#include "core/http_events.h"

namespace sust::control {

namespace {

std::string state_event(const Job& job) {
    const auto text =
        nlohmann::json(job).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return core::http::encode(core::http::Event{"state", text});
}

Followers::Ended has_ended(const Job& job) {
    return job.phase == JobPhase::ended ? Followers::Ended::yes : Followers::Ended::no;
}

}  // namespace

JobFollowers::JobFollowers(core::EventLoop& loop, Jobs& jobs) : followers_(loop) {
    jobs.on_change([this](const Job& job) {
        if (followers_.has(job.id)) {
            followers_.tell(job.id, state_event(job), has_ended(job));
        }
    });
}

core::Result<void> JobFollowers::add(const core::http::ExchangePtr& exchange, const Job& job) {
    return followers_.add(exchange, job.id, state_event(job), has_ended(job));
}

}  // namespace sust::control
