#include "serve/wait_room.h"

#include <algorithm>

namespace sust::serve {

namespace {

bool is_waiting(const WaitRoom::Waiter* waiter) {
    return waiter->choice == Choice::full && !waiter->cancelled;
}

}  // namespace

void Bell::slot_freed(Ticket after) {
    if (waiting.load() == 0) {
        return;
    }
    std::size_t best = oldest_.size();
    Ticket best_ticket = k_nobody;
    for (std::size_t i = 0; i < oldest_.size(); ++i) {
        const auto ticket = oldest_[i].ticket.load();
        if (ticket > after && (best == oldest_.size() || ticket < best_ticket)) {
            best = i;
            best_ticket = ticket;
        }
    }
    if (best < oldest_.size()) {
        ring[best]();
    }
}

WaitRoom::WaitRoom(asio::io_context& io, Router& router, Bell& bell, std::size_t number)
    : io_(&io), router_(&router), bell_(&bell), number_(number) {}

Task<> WaitRoom::wait(Waiter& waiter, std::shared_ptr<const View> view, core::Duration within) {
    waiter.ticket = bell_->draw();
    waiter.timer.emplace(*io_, within);
    const auto place = waiters_.insert(waiters_.end(), &waiter);
    publish();
    // A slot that became free before publish() rang for nobody.
    serve(view);
    if (is_waiting(&waiter)) {
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

std::optional<Ticket> WaitRoom::serve(const std::shared_ptr<const View>& view) {
    bool gave = false;
    for (auto* waiter : waiters_) {
        if (!is_waiting(waiter)) {
            continue;
        }
        const auto* candidates = view->candidates(waiter->model);
        waiter->choice = candidates == nullptr
                             ? Choice::none
                             : router_->take(*candidates, *waiter->tried, waiter->lease);
        if (waiter->choice == Choice::full) {
            continue;
        }
        gave = gave || waiter->choice == Choice::taken;
        waiter->view = view;
        waiter->timer->cancel();
    }
    // Those who have what they came for may not have left yet; a bell for them would be lost.
    publish();
    return gave ? std::nullopt : std::optional(oldest());
}

Ticket WaitRoom::oldest() const {
    const auto found = std::find_if(waiters_.begin(), waiters_.end(), is_waiting);
    return found == waiters_.end() ? k_nobody : (*found)->ticket;
}

}  // namespace sust::serve
