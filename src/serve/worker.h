#pragma once

// One thread of a gateway with everything that it does not share: its loop, acceptor, view,
// connections, queue and figures.

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/log.h"
#include "core/secret.h"
#include "serve/engine_link.h"
#include "serve/io.h"
#include "serve/key_check.h"
#include "serve/ledger.h"
#include "serve/metrics.h"
#include "serve/router.h"
#include "serve/wait_room.h"

namespace sust::serve {

class Session;
class Worker;

// What the threads of one gateway share. Set up before they start; atomics and thread-safe parts
// only.
struct Shared {
    Shared(const core::Clock& clock_in, core::Log log_in, core::Secret secret_in,
           std::size_t threads)
        : clock(clock_in), log(std::move(log_in)), secret(std::move(secret_in)), bell(threads) {}

    const core::Clock& clock;
    core::Log log;
    core::Secret secret;
    std::unique_ptr<Ledger> ledger;
    Bell bell;
    std::vector<std::unique_ptr<Worker>> workers;
    std::atomic<bool> follows{false};  // the fleet map is being followed
    std::atomic<bool> stopping{false};
    std::atomic<std::size_t> open{0};  // sessions, and requests whose count is outstanding
};

class Worker {
  public:
    Worker(Shared& shared, std::size_t number);
    ~Worker();

    // Before the thread starts: the view, and the socket that clients connect to.
    void set_view(std::shared_ptr<const View> view);
    core::Result<void> listen(const asio::ip::tcp::endpoint& at);
    std::uint16_t port() const;
    // The thread: until finish().
    void run();

    // From any thread; each runs on this one.
    void post_view(std::shared_ptr<const View> view, std::function<void()> applied);
    void post_stop();       // accept no more, end idle connections
    void post_interrupt();  // end every request
    void finish();

    // For sessions, on this thread:
    std::string make_request_id();
    void enter(Session& session);
    void leave(Session& session);
    // Some request is at work: its client must be watched soon.
    void want_sweep();
    // The figures of every thread, added up.
    Task<Metrics> gather();

    Shared& shared;
    asio::io_context io{1};
    std::shared_ptr<const View> view;
    Metrics metrics;
    KeyCheck keys;
    Router router;
    WaitRoom waiting;
    EnginePool engines;
    std::size_t counting = 0;  // requests whose prompt is being counted after their end

  private:
    Task<> accept();
    Metrics snapshot() const;
    void sweep();
    void schedule_sweep(core::Duration in);

    std::size_t number_;
    Acceptor acceptor_{io};
    Timer sweeper_{io};
    bool sweeping_fast_ = false;
    std::list<Session*> sessions_;
    std::uint64_t id_state_[2];
};

}  // namespace sust::serve
