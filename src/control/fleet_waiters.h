#pragma once

// Gateways that wait for a newer fleet map (GET /api/v1/fleet, docs/protocol/fleet.md).

#include <cstdint>
#include <list>
#include <memory>

#include "core/event_loop.h"
#include "core/http_server.h"
#include "fleet/fleet.h"
#include "tenancy/key_table.h"

namespace sust::control {

class FleetWaiters {
  public:
    FleetWaiters(core::EventLoop& loop, fleet::Fleet& fleet, tenancy::KeyTable& keys);

    // Answers with the map when its version differs from `after` (a gateway that knows a later one
    // has followed another database), or with 204 after `wait`. exhausted: 256 wait already.
    core::Result<void> add(const core::http::ExchangePtr& exchange, std::uint64_t after,
                           core::Duration wait);
    void close();

  private:
    struct Waiter {
        core::http::ExchangePtr exchange;
        std::unique_ptr<core::EventLoop::Timer> timer;
    };

    core::http::Response map() const;
    void answer_all();

    core::EventLoop& loop_;
    fleet::Fleet& fleet_;
    tenancy::KeyTable& keys_;
    std::list<Waiter> waiters_;
};

}  // namespace sust::control
