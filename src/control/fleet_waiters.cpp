#include "control/fleet_waiters.h"

#include <algorithm>

namespace sust::control {

namespace {
constexpr std::size_t k_max_waiters = 256;
}  // namespace

FleetWaiters::FleetWaiters(core::EventLoop& loop, fleet::Fleet& fleet, tenancy::KeyTable& keys)
    : loop_(loop), fleet_(fleet), keys_(keys) {
    // Not at once: the change may be part of a transaction that is not committed yet.
    fleet_.on_change([this](std::uint64_t) { loop_.post([this] { answer_all(); }); });
}

core::Result<void> FleetWaiters::add(const core::http::ExchangePtr& exchange, std::uint64_t after,
                                     core::Duration wait) {
    if (after != fleet_.version()) {
        exchange->respond(map());
        return {};
    }
    if (waiters_.size() >= k_max_waiters) {
        return core::fail(core::Fault::exhausted, "256 gateways wait already");
    }
    const auto place = waiters_.insert(waiters_.end(), Waiter{exchange, nullptr});
    place->timer = loop_.after(wait, [this, place] {
        const auto waiter = std::move(*place);
        waiters_.erase(place);
        waiter.exchange->on_gone(nullptr);
        waiter.exchange->respond({.status = 204});
    });
    exchange->on_gone([this, place] { waiters_.erase(place); });
    return {};
}

core::http::Response FleetWaiters::map() const {
    auto keys = keys_.list();
    if (!keys) {
        return core::http::error_response(keys.error(), {});
    }
    std::erase_if(*keys, [](const tenancy::Key& key) { return key.revoked.has_value(); });
    return core::http::json_response(200, serve::encode(fleet_.map(std::move(*keys))));
}

void FleetWaiters::answer_all() {
    if (waiters_.empty()) {
        return;
    }
    const auto answer = map();
    for (const auto& waiter : std::exchange(waiters_, {})) {
        waiter.exchange->on_gone(nullptr);
        waiter.exchange->respond(answer);
    }
}

void FleetWaiters::close() {
    for (const auto& waiter : std::exchange(waiters_, {})) {
        waiter.exchange->on_gone(nullptr);
        waiter.exchange->respond({.status = 204});
    }
}

}  // namespace sust::control
