#pragma once

// The control API: everything the command line does (docs/protocol/api.md). One service on one
// loop; who asks is checked here, and handlers receive a Principal.

#include "control/desk.h"
#include "core/http_server.h"

namespace sust::control {

class Api final : public core::http::Service {
  public:
    explicit Api(Parts parts) : desk_(std::move(parts)) {}

    Result<std::shared_ptr<core::http::BodySink>> open_body(const ExchangePtr& exchange) override;
    void handle(const ExchangePtr& exchange) override;

    // Counts what gateways wrote down and forgets old answers; call it every few seconds.
    void tick();
    // Ends what waits, so that a stop is quick.
    void close();

  private:
    Result<Answer> answer(const ExchangePtr& exchange);

    Desk desk_;
};

}  // namespace sust::control
