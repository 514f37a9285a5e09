#pragma once

// Time is a parameter: nothing below apps/ asks the system what time it is.
// Intervals use the monotonic clock; the wall clock is for files and people (UTC).

#include <chrono>
#include <string>
#include <string_view>

#include "core/result.h"

namespace sust::core {

using namespace std::chrono_literals;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
using MonoTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::milliseconds;

// Thread-safe. Outlives everything that holds a reference to it.
class Clock {
  public:
    virtual ~Clock() = default;
    virtual WallTime wall() const = 0;
    virtual MonoTime monotonic() const = 0;
};

class SystemClock final : public Clock {
  public:
    WallTime wall() const override;
    MonoTime monotonic() const override;
};

// A clock that moves only when told, for tests and simulations. One thread.
class ManualClock final : public Clock {
  public:
    WallTime wall() const override { return wall_; }
    MonoTime monotonic() const override { return mono_; }
    void advance(Duration by) {
        wall_ += by;
        mono_ += by;
    }

  private:
    WallTime wall_{std::chrono::seconds{1'767'225'600}};  // 2026-01-01T00:00:00Z
    MonoTime mono_{};
};

// A moment on the monotonic clock after which waiting ends; passed down, not re-invented per hop.
class Deadline {
  public:
    Deadline(const Clock& clock, Duration in) : clock_(&clock), at_(clock.monotonic() + in) {}
    // What is left, never below zero.
    Duration left() const;
    bool passed() const { return left() == Duration::zero(); }

  private:
    const Clock* clock_;
    MonoTime at_;
};

// "2026-01-01T00:00:00.000Z", the form of every file and JSON document (RFC 3339, UTC).
std::string rfc3339(WallTime time);
Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace sust::core
