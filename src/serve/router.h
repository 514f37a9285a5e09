#pragma once

// Which replica answers a request: the least loaded of those that are ready, ties in turn.
// Every thread has a Router of its own; what they share are the atomic counters of ReplicaLoad.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "serve/view.h"

namespace sust::serve {

// A slot of a replica, held while a request is at work there.
class Lease {
  public:
    Lease(Candidate candidate, std::function<void()> freed);
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { release(); }

    const Candidate& candidate() const { return candidate_; }
    void release();

  private:
    Candidate candidate_;
    std::function<void()> freed_;
};

enum class Choice {
    taken,  // a lease was given
    full,   // replicas are ready, none has a free slot
    none,   // no replica is ready that was not tried
};

class Router {
  public:
    // `freed` is called whenever a lease ends.
    Router(const core::Clock& clock, std::function<void()> freed)
        : clock_(&clock), freed_(std::move(freed)) {}

    // `tried` are ids of replicas that failed this request. A replica that was ejected is chosen
    // only when there is no other: a wrong guess then costs one failed connect, not an outage.
    Choice take(const std::vector<Candidate>& candidates, const std::vector<std::string>& tried,
                std::optional<Lease>& lease);
    // Not chosen again for a while, by any thread.
    void eject(const Candidate& candidate) const;

  private:
    const core::Clock* clock_;
    std::function<void()> freed_;
    std::size_t turn_ = 0;
};

}  // namespace sust::serve
