#pragma once

// One event loop owns the state of a control program; blocking work goes to a bounded pool and
// returns to the loop as an event.

#include <functional>
#include <memory>

#include "core/clock.h"
#include "core/result.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace sust::core {

class EventLoop {
  public:
    explicit EventLoop(const Clock& clock, std::size_t workers = 2);
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    // Runs until stop(); the calling thread becomes the loop.
    void run();
    // From any thread or signal callback.
    void stop();
    // From any thread: runs `task` on the loop, in order.
    void post(std::function<void()> task);
    // Runs on the loop after `delay`. The handle (of a timer or a descriptor) cancels when it is
    // destroyed.
    class Timer {
      public:
        virtual ~Timer() = default;
    };
    [[nodiscard]] std::unique_ptr<Timer> after(Duration delay, std::function<void()> task);
    [[nodiscard]] std::unique_ptr<Timer> every(Duration period, std::function<void()> task);
    // Runs on the loop whenever `fd` is readable; the task reads what makes it so. `fd` stays the
    // caller's, and open for as long as the handle.
    [[nodiscard]] Result<std::unique_ptr<Timer>> on_readable(int fd, std::function<void()> task);
    // `work` on the pool, then `done` on the loop. exhausted when 256 pieces of work wait.
    Result<void> offload(std::function<void()> work, std::function<void()> done);
    // Waits for the work that runs and drops what waits (its `done` is never called). Call it after
    // run(), before what the work refers to ends.
    void end_work();
    // SIGINT and SIGTERM, on the loop.
    void on_stop_signal(std::function<void(int signal)> callback);

    const Clock& clock() const;
    boost::asio::io_context& context();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::core
