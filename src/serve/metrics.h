#pragma once

// Figures of one thread, plain numbers: /metrics gathers a copy from every thread and adds them.
// Names follow vLLM's where it has one (sust_time_to_first_token_seconds, ...).

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "serve/view.h"

namespace sust::serve {

class Histogram {
  public:
    static constexpr std::array<double, 20> k_bounds = {
        0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,  0.25,
        0.5,   0.75,   1.0,   2.5,  5.0,  7.5,  10.0, 30.0, 60.0, 120.0};
    void add(core::MonoTime::duration interval);
    void merge(const Histogram& other);
    void print(std::string_view name, std::string_view labels, std::string& out) const;

  private:
    std::array<std::uint64_t, k_bounds.size() + 1> counts_{};
    double sum_ = 0;
};

struct ModelMetrics {
    Histogram first_token;
    Histogram between_tokens;
    Histogram duration;
    std::uint64_t prompt_tokens = 0;
    std::uint64_t completion_tokens = 0;
    std::uint64_t aborted = 0;
};

struct Metrics {
    std::map<std::pair<std::string, int>, std::uint64_t> requests;  // model (or ""), status
    std::map<std::string, ModelMetrics, std::less<>> models;
    std::uint64_t retries = 0;
    std::int64_t running = 0;
    std::int64_t waiting = 0;
    std::int64_t connections = 0;

    ModelMetrics& model(std::string_view name);
    void count(std::string_view model, int status);
    void merge(const Metrics& other);
};

// Prometheus text format 0.0.4.
std::string print(const Metrics& metrics, const View& view, bool follows_controller);

}  // namespace sust::serve
