#pragma once

// A simulated site behind its socket: docs/protocol/simulate.md. The scheduler's side goes away in
// an outage, the simulation's own never.

#include <deque>

#include "cluster/simulated/site.h"
#include "core/http_server.h"

namespace sust::cluster::simulated {

class Service final : public core::http::Service {
  public:
    Service(Site& site, core::EventLoop& loop) : site_(site), loop_(loop) {}

    Result<std::shared_ptr<core::http::BodySink>> open_body(
        const core::http::ExchangePtr& exchange) override;
    void handle(const core::http::ExchangePtr& exchange) override;
    // The site goes on, and who was kept waiting is answered when its controller is back.
    void tick();

  private:
    using Parts = std::vector<std::string>;
    using Query = std::map<std::string, std::string>;
    struct Advance {
        core::http::ExchangePtr exchange;
        Time until;
    };

    void answer(const core::http::ExchangePtr& exchange);
    Result<std::string> serve(const core::http::Request& request, const Parts& path,
                              const Query& query);
    Result<std::string> serve_jobs(const core::http::Request& request, const Parts& path,
                                   const Query& query);
    Result<std::string> serve_node(const core::http::Request& request, const Parts& path);
    Result<std::string> serve_simulation(const core::http::Request& request, const Parts& path,
                                         const Query& query);
    Result<std::string> outlook(const std::string& body);
    void begin_advance(const core::http::ExchangePtr& exchange);
    void go_on_advancing();

    Site& site_;
    core::EventLoop& loop_;
    std::deque<core::http::ExchangePtr> held_;  // as many as there are connections
    std::optional<Advance> advance_;
};

}  // namespace sust::cluster::simulated
