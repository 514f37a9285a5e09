#include "control/run_followers.h"

#include <vector>

#include <nlohmann/json.hpp>

#include "core/http_events.h"

namespace sust::control {

using core::http::encode;
using core::http::Event;

namespace {

constexpr std::size_t k_max_followers = 256;
// A comment line: proxies and clients see that the stream lives.
constexpr auto k_keep_alive = std::chrono::seconds(15);

std::string state_event(const tune::Run& run) {
    const auto text =
        nlohmann::json(run).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return encode(Event{"state", text});
}

}  // namespace

RunFollowers::RunFollowers(core::EventLoop& loop, tune::Runs& runs) : loop_(loop), runs_(runs) {
    runs_.on_event([this](const tune::RunEvent& event) { tell(event); });
    timer_ = loop_.every(k_keep_alive, [this] { keep_alive(); });
}

core::Result<void> RunFollowers::add(const core::http::ExchangePtr& exchange,
                                     const tune::Run& run) {
    if (followers_.size() >= k_max_followers) {
        return core::fail(core::Fault::exhausted, "256 clients follow runs already");
    }
    exchange->stream(
        {.headers = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}}});
    exchange->send(state_event(run));
    if (tune::is_final(run.phase)) {
        exchange->end();
        return {};
    }
    const auto id = next_++;
    followers_.emplace(id, Follower{run.id, exchange});
    exchange->on_gone([this, id] { followers_.erase(id); });
    return {};
}

// Gone clients leave by on_gone, which changes the map: work on a copy of who is meant.
void RunFollowers::tell(const tune::RunEvent& event) {
    std::vector<std::uint64_t> meant;
    for (const auto& [id, follower] : followers_) {
        if (follower.first == event.run) {
            meant.push_back(id);
        }
    }
    if (meant.empty()) {
        return;
    }
    const auto run = runs_.show(event.run);
    const bool ended = run && tune::is_final(run->phase);
    const auto text = encode(Event{event.event, event.json});
    for (const auto id : meant) {
        const auto found = followers_.find(id);
        if (found == followers_.end()) {
            continue;
        }
        const auto exchange = found->second.second;
        exchange->send(text);
        if (ended) {
            exchange->send(state_event(*run));
            end(id);
        }
    }
}

void RunFollowers::end(std::uint64_t id) {
    if (const auto found = followers_.find(id); found != followers_.end()) {
        const auto exchange = found->second.second;
        followers_.erase(found);
        exchange->end();
    }
}

void RunFollowers::keep_alive() {
    const auto all = followers_;
    for (const auto& [id, follower] : all) {
        follower.second->send(": \n\n");
    }
}

void RunFollowers::close() {
    while (!followers_.empty()) {
        end(followers_.begin()->first);
    }
}

}  // namespace sust::control
