#pragma once

// Chance that is the same everywhere: the distributions of the standard library are each vendor's
// own.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "cluster/simulated/model.h"

namespace sust::cluster::simulated {

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {  // splitmix64
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    // From 0, below 1.
    double share() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
    bool happens(double chance) { return chance > 0 && share() < chance; }
    // From 0, below `count`, which is positive.
    std::uint64_t below(std::uint64_t count) { return next() % count; }
    int between(int least, int most) {
        return least + static_cast<int>(below(static_cast<std::uint64_t>(most - least) + 1));
    }
    Duration exponential(Duration mean) {
        const double ms = -std::log(1 - share()) * static_cast<double>(mean.count());
        constexpr double k_far = 1e15;  // beyond every clock, within every integer
        return Duration(std::llround(std::min(ms, k_far)));
    }
    Duration of(const Spread& spread) {
        const auto more = spread.mean - spread.least;
        return more <= Duration::zero() ? spread.least
                                        : std::min(spread.least + exponential(more), spread.most);
    }

  private:
    std::uint64_t state_;
};

}  // namespace sust::cluster::simulated
