#include "serve/wait_room.h"

#include <algorithm>

namespace sust::serve {

void Bell::slot_freed(std::int64_t after) {
    if (waiting.load() == 0) {
        return;
    }
    std::size_t best = oldest_.size();
    std::int64_t best_since = 0;
    for (std::size_t i = 0; i < oldest_.size(); ++i) {
        const auto since = oldest_[i].since.load();
        if (since > after && (best == oldest_.size() || since < best_since)) {
            best = i;
            best_since = since;
        }
    }
    if (best < oldest_.size()) {
        ring[best]();
    }
}

WaitRoom::WaitRoom(asio::io_context& io, const core::Clock& clock, Router& router, Bell& bell,
                   std::size_t number)
    : io_(&io), clock_(&clock), router_(&router), bell_(&bell), number_(number) {}

Task<> WaitRoom::wait(Waiter& waiter, std::shared_ptr<const View> view, core::Duration within) {
    waiter.since = clock_->monotonic().time_since_epoch().count();
    waiter.timer.emplace(*io_, within);
    const auto place = waiters_.insert(waiters_.end(), &waiter);
    publish();
    // A slot that became free before publish() rang for nobody.
    serve(view);
    if (waiter.choice == Choice::full && !waiter.cancelled) {
        IoError woken;
        co_await waiter.timer->async_wait(asio::redirect_error(k_await, woken));
    }
    waiters_.erase(place);
    publish();
}

void WaitRoom::cancel(Waiter& waiter) {
    waiter.cancelled = true;
    waiter.timer->cancel();
}

std::int64_t WaitRoom::serve(const std::shared_ptr<const View>& view) {
    std::int64_t oldest_left = 0;
    bool gave = false;
    for (auto* waiter : waiters_) {
        if (waiter->choice != Choice::full || waiter->cancelled) {
            continue;
        }
        const auto* candidates = view->candidates(waiter->model);
        waiter->choice = candidates == nullptr
                             ? Choice::none
                             : router_->take(*candidates, *waiter->tried, waiter->lease);
        if (waiter->choice == Choice::full) {
            oldest_left = oldest_left == 0 ? waiter->since : oldest_left;
            continue;
        }
        gave = gave || waiter->choice == Choice::taken;
        waiter->view = view;
        waiter->timer->cancel();
    }
    return gave ? 0 : oldest_left;
}

void WaitRoom::publish() {
    bell_->set_oldest(number_, waiters_.empty() ? 0 : waiters_.front()->since);
}

}  // namespace sust::serve
