#pragma once

// Requests of one thread that wait for a slot, served in the order in which they came. Threads
// wake each other through the Bell that they share; who waits longest is served first.

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/io.h"
#include "serve/router.h"

namespace sust::serve {

using Ticket = std::uint64_t;
inline constexpr Ticket k_nobody = 0;

// What the threads of a gateway know of each other's queues.
class Bell {
  public:
    explicit Bell(std::size_t rooms) : ring(rooms), oldest_(rooms) {}

    // How many wait in all rooms; counted by whoever waits, before it does.
    std::atomic<std::size_t> waiting{0};
    // `ring` wakes a room from any thread; set before the threads start.
    std::vector<std::function<void()>> ring;

    // The place in the order of waiting, over all rooms; no two are the same.
    Ticket draw() { return ++drawn_; }
    void set_oldest(std::size_t room, Ticket ticket) { oldest_[room].ticket.store(ticket); }
    // Wakes the room whose request waits longest, leaving out those up to `after` in the order
    // of waiting; a room that could not use the slot passes it on so.
    void slot_freed(Ticket after = k_nobody);

  private:
    struct alignas(64) Oldest {
        std::atomic<Ticket> ticket{k_nobody};
    };
    std::atomic<Ticket> drawn_{k_nobody};
    std::vector<Oldest> oldest_;
};

class WaitRoom {
  public:
    WaitRoom(asio::io_context& io, Router& router, Bell& bell, std::size_t number);

    struct Waiter {
        std::string model;
        const std::vector<std::string>* tried = nullptr;
        std::shared_ptr<const View> view;  // the one that the lease belongs to
        std::optional<Lease> lease;
        Choice choice = Choice::full;
        bool cancelled = false;
        // Mechanism:
        Ticket ticket = k_nobody;
        std::optional<Timer> timer;
    };

    bool empty() const { return waiters_.empty(); }
    std::size_t size() const { return waiters_.size(); }
    // Waits for a lease, for `within` at most (choice stays `full`), or until cancel().
    Task<> wait(Waiter& waiter, std::shared_ptr<const View> view, core::Duration within);
    void cancel(Waiter& waiter);
    // A slot became free, or there is a new view: gives what can be given. If that was nothing,
    // the ticket of who waits longest here: the slot may be of use to another room.
    std::optional<Ticket> serve(const std::shared_ptr<const View>& view);

  private:
    Ticket oldest() const;
    void publish() { bell_->set_oldest(number_, oldest()); }

    asio::io_context* io_;
    Router* router_;
    Bell* bell_;
    std::size_t number_;
    std::list<Waiter*> waiters_;
};

}  // namespace sust::serve
