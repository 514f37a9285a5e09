#include "fleet/acknowledgements.h"

#include <algorithm>

namespace sust::fleet {

namespace {
// A name is chosen by the gateway; a program gone wrong must not fill memory with them.
constexpr std::size_t k_gateways_max = 256;
constexpr Duration k_forget_after = std::chrono::hours(1);
}  // namespace

void Acknowledgements::heard(const std::string& gateway, std::uint64_t version) {
    const auto now = clock_->monotonic();
    std::erase_if(gateways_,
                  [&](const auto& item) { return now - item.second.heard > k_forget_after; });
    if (gateways_.size() >= k_gateways_max && !gateways_.contains(gateway)) {
        gateways_.erase(std::min_element(
            gateways_.begin(), gateways_.end(),
            [](const auto& a, const auto& b) { return a.second.heard < b.second.heard; }));
    }
    // The newest word counts, even if it is lower: a gateway started anew knows nothing.
    gateways_[gateway] = {.version = version, .heard = now, .seen = clock_->wall()};
}

bool Acknowledgements::complete(std::uint64_t version, core::MonoTime published) const {
    return clock_->monotonic() - opened_ >= k_silence && known(version, published);
}

bool Acknowledgements::known(std::uint64_t version, core::MonoTime published) const {
    const auto now = clock_->monotonic();
    return std::all_of(gateways_.begin(), gateways_.end(), [&](const auto& item) {
        const auto& gateway = item.second;
        // A gateway that waits for a change asked last before it: it has the time since then.
        return gateway.version >= version || now - std::max(gateway.heard, published) >= k_silence;
    });
}

std::vector<GatewayView> Acknowledgements::view() const {
    std::vector<GatewayView> out;
    for (const auto& [id, gateway] : gateways_) {
        out.push_back({.id = id, .version = gateway.version, .seen = gateway.seen});
    }
    return out;
}

}  // namespace sust::fleet
