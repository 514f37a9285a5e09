#include "serve/router.h"

#include <algorithm>

#include "serve/limits.h"

namespace sust::serve {

namespace {

std::int64_t ticks(core::MonoTime time) {
    return time.time_since_epoch().count();
}

bool take_slot(const Candidate& candidate) {
    // Never counted before it is certain: others would see a slot taken by one who was refused.
    auto& in_flight = candidate.load->in_flight;
    int taken = in_flight.load();
    while (taken < candidate.replica->slots) {
        if (in_flight.compare_exchange_weak(taken, taken + 1)) {
            return true;
        }
    }
    return false;
}

double load_of(const Candidate& candidate) {
    return static_cast<double>(candidate.load->in_flight.load(std::memory_order_relaxed)) /
           candidate.replica->slots;
}

}  // namespace

Lease::Lease(Candidate candidate, std::function<void()> freed)
    : candidate_(std::move(candidate)), freed_(std::move(freed)) {}

Lease& Lease::operator=(Lease&& other) noexcept {
    if (this != &other) {
        release();
        candidate_ = std::move(other.candidate_);
        freed_ = std::move(other.freed_);
    }
    return *this;
}

void Lease::release() {
    if (const auto load = std::move(candidate_.load)) {
        load->in_flight.fetch_sub(1);
        freed_();
    }
}

Choice Router::take(const std::vector<Candidate>& candidates, const std::vector<std::string>& tried,
                    std::optional<Lease>& lease) {
    struct Option {
        const Candidate* candidate;
        bool ejected;
        double load;
    };
    const auto now = ticks(clock_->monotonic());
    std::vector<Option> options;
    options.reserve(candidates.size());
    const auto count = candidates.size();
    ++turn_;
    for (std::size_t i = 0; i < count; ++i) {
        const auto& candidate = candidates[(turn_ + i) % count];
        if (candidate.replica->state == ReplicaState::ready &&
            std::find(tried.begin(), tried.end(), candidate.replica->id) == tried.end()) {
            options.push_back(
                {&candidate, candidate.load->ejected_until.load() > now, load_of(candidate)});
        }
    }
    if (options.empty()) {
        return Choice::none;
    }
    std::stable_sort(options.begin(), options.end(), [](const Option& a, const Option& b) {
        return a.ejected != b.ejected ? b.ejected : a.load < b.load;
    });
    const bool any_trusted = !options.front().ejected;
    for (const auto& option : options) {
        if (option.ejected && any_trusted) {
            break;
        }
        if (take_slot(*option.candidate)) {
            lease.emplace(*option.candidate, freed_);
            return Choice::taken;
        }
    }
    return Choice::full;
}

void Router::eject(const Candidate& candidate) const {
    candidate.load->ejected_until.store(ticks(clock_->monotonic() + k_ejection));
}

}  // namespace sust::serve
