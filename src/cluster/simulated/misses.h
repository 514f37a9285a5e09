#pragma once

// Searches that found too few nodes. Until some node gains room, whoever wants as much or more of
// them, and more of them than were found, need not look.

#include <optional>
#include <string>
#include <vector>

#include "cluster/simulated/state.h"

namespace sust::cluster::simulated {

class Misses {
  public:
    // How many nodes another job found that wanted less of each; nothing: nobody knows.
    std::optional<std::size_t> find(const Ask& ask, const Share& need, std::uint64_t gains) {
        if (gains_ != gains) {
            misses_.clear();
            gains_ = gains;
        }
        for (const auto& miss : misses_) {
            if (miss.queue == ask.queue && miss.gpu_type == ask.gpus.type &&
                covers(need, miss.need) && miss.found < static_cast<std::size_t>(ask.nodes)) {
                return miss.found;
            }
        }
        return std::nullopt;
    }
    // After a find() of the same moment. What one job keeps off says nothing about others.
    void add(const Ask& ask, const Share& need, std::size_t found) {
        constexpr std::size_t k_most = 32;  // looking through more costs as much as a search
        if (ask.excluded.empty() && misses_.size() < k_most) {
            misses_.push_back({ask.queue, ask.gpus.type, need, found});
        }
    }

  private:
    struct Miss {
        int queue = 0;
        std::string gpu_type;
        Share need;
        std::size_t found = 0;
    };
    std::vector<Miss> misses_;
    std::uint64_t gains_ = 0;  // of the room, that they belong to
};

}  // namespace sust::cluster::simulated
