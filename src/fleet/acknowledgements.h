#pragma once

// Which gateway knows which version of the map. A replica is idle only after every gateway that
// could still send it a request has taken it out of its map.

#include <map>
#include <string>

#include "core/clock.h"
#include "fleet/view.h"

namespace sust::fleet {

class Acknowledgements {
  public:
    // Gateways of before are not known: they have the silence time to be heard of.
    explicit Acknowledgements(const core::Clock& clock)
        : clock_(&clock), opened_(clock.monotonic()) {}

    void heard(const std::string& gateway, std::uint64_t version);
    // Every gateway has `version`, or has been silent for k_silence since it was published.
    // Gateways of an earlier time may not have been heard of yet: never before k_silence is over.
    bool complete(std::uint64_t version, core::MonoTime published) const;
    // The same of the gateways heard of so far.
    bool known(std::uint64_t version, core::MonoTime published) const;
    std::vector<GatewayView> view() const;

    // Gateways ask again within milliseconds of a change; ten seconds without is a dead one.
    static constexpr Duration k_silence = std::chrono::seconds(10);

  private:
    struct Gateway {
        std::uint64_t version = 0;
        core::MonoTime heard{};
        core::WallTime seen{};
    };
    const core::Clock* clock_;
    core::MonoTime opened_;
    std::map<std::string, Gateway> gateways_;
};

}  // namespace sust::fleet
