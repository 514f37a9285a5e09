#include "control/followers.h"

#include <algorithm>
#include <vector>

namespace sust::control {

namespace {

constexpr std::size_t k_max_followers = 256;
// A comment line: proxies and clients see that the stream lives.
constexpr auto k_keep_alive = std::chrono::seconds(15);

}  // namespace

Followers::Followers(core::EventLoop& loop) {
    timer_ = loop.every(k_keep_alive, [this] { keep_alive(); });
}

core::Result<void> Followers::add(const core::http::ExchangePtr& exchange, const std::string& thing,
                                  const std::string& first, Ended ended) {
    if (followers_.size() >= k_max_followers) {
        return core::fail(core::Fault::exhausted, "256 clients follow something already");
    }
    exchange->stream(
        {.headers = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}}});
    exchange->send(first);
    if (ended == Ended::yes) {
        exchange->end();
        return {};
    }
    const auto id = next_++;
    followers_.emplace(id, Follower{thing, exchange});
    exchange->on_gone([this, id] { followers_.erase(id); });
    return {};
}

bool Followers::has(std::string_view thing) const {
    return std::any_of(followers_.begin(), followers_.end(),
                       [&](const auto& entry) { return entry.second.first == thing; });
}

// Gone clients leave by on_gone, which changes the map: work on a copy of who is meant.
void Followers::tell(std::string_view thing, const std::string& text, Ended ended) {
    std::vector<std::uint64_t> meant;
    for (const auto& [id, follower] : followers_) {
        if (follower.first == thing) {
            meant.push_back(id);
        }
    }
    for (const auto id : meant) {
        const auto found = followers_.find(id);
        if (found == followers_.end()) {
            continue;
        }
        const auto exchange = found->second.second;
        exchange->send(text);
        if (ended == Ended::yes) {
            end(id);
        }
    }
}

void Followers::end(std::uint64_t id) {
    if (const auto found = followers_.find(id); found != followers_.end()) {
        const auto exchange = found->second.second;
        followers_.erase(found);
        exchange->end();
    }
}

void Followers::keep_alive() {
    const auto all = followers_;
    for (const auto& [id, follower] : all) {
        follower.second->send(": \n\n");
    }
}

void Followers::close() {
    while (!followers_.empty()) {
        end(followers_.begin()->first);
    }
}

}  // namespace sust::control
