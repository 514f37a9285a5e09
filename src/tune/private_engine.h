#pragma once

// An engine of our own for the time of one evaluation, on a Unix socket that nobody else knows.

#include <memory>

#include "core/clock.h"
#include "core/http_client.h"
#include "core/places.h"
#include "core/process.h"
#include "fleet/command.h"
#include "tune/evaluate.h"

namespace sust::tune {

// Ends with this object, and with this process, however that ends. Start it on the main thread:
// the kernel ties its life to the thread that started it.
class PrivateEngine {
  public:
    // Ready when it returns. unavailable: it ended or was not ready in time.
    static core::Result<PrivateEngine> start(const EvaluatorSpec& spec, const core::Places& places,
                                             const core::Clock& clock);
    PrivateEngine(PrivateEngine&&) noexcept = default;
    PrivateEngine& operator=(PrivateEngine&&) noexcept = default;
    ~PrivateEngine();

    // The base first, then the candidate if there is one.
    const std::vector<serve::ServedModel>& models() const { return command_.models; }
    core::http::Address address() const { return core::http::UnixAddress{command_.socket}; }
    int slots() const { return slots_; }

  private:
    PrivateEngine(fleet::EngineCommand command, core::Child child, const core::Clock& clock,
                  core::Duration grace, int slots)
        : command_(std::move(command)),
          child_(std::move(child)),
          clock_(&clock),
          grace_(grace),
          slots_(slots) {}
    core::Result<void> wait_ready(const fleet::Engine& engine);

    fleet::EngineCommand command_;
    std::optional<core::Child> child_;
    const core::Clock* clock_;
    core::Duration grace_;
    int slots_;
};

}  // namespace sust::tune
