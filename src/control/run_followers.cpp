#include "control/run_followers.h"

#include <nlohmann/json.hpp>

#include "core/http_events.h"

namespace sust::control {

using core::http::encode;
using core::http::Event;

namespace {

std::string state_event(const tune::Run& run) {
    const auto text =
        nlohmann::json(run).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return encode(Event{"state", text});
}

Followers::Ended has_ended(const tune::Run& run) {
    return tune::is_final(run.phase) ? Followers::Ended::yes : Followers::Ended::no;
}

}  // namespace

RunFollowers::RunFollowers(core::EventLoop& loop, tune::Runs& runs)
    : runs_(runs), followers_(loop) {
    runs_.on_event([this](const tune::RunEvent& event) { tell(event); });
}

core::Result<void> RunFollowers::add(const core::http::ExchangePtr& exchange,
                                     const tune::Run& run) {
    return followers_.add(exchange, run.id, state_event(run), has_ended(run));
}

void RunFollowers::tell(const tune::RunEvent& event) {
    if (!followers_.has(event.run)) {
        return;
    }
    followers_.tell(event.run, encode(Event{event.event, event.json}), Followers::Ended::no);
    if (const auto run = runs_.show(event.run); run && tune::is_final(run->phase)) {
        followers_.tell(event.run, state_event(*run), Followers::Ended::yes);
    }
}

}  // namespace sust::control
