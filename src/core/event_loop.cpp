#include "core/event_loop.h"

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <pthread.h>

#include "core/fd.h"

namespace sust::core {

namespace asio = boost::asio;

namespace {

// Work is hashing and scheduler commands, seconds each: more than this many waiting means that
// the caller is better told than queued.
constexpr std::size_t k_max_waiting_work = 256;

// The pending wait holds the shared part; the handle's end cancels it, also when the wait has
// already fired and only its handler still waits for the loop.
struct TimerState : std::enable_shared_from_this<TimerState> {
    TimerState(asio::io_context& context, std::function<void()> what)
        : timer(context), task(std::move(what)) {}

    void arm(asio::steady_timer::duration delay) {
        timer.expires_after(delay);
        timer.async_wait([self = shared_from_this()](boost::system::error_code error) {
            if (!error && !self->cancelled) {
                self->fire();
            }
        });
    }

    void fire() {
        // Armed first: the task may destroy the handle.
        if (period) {
            arm(*period);
        }
        const auto keep = shared_from_this();
        task();
    }

    asio::steady_timer timer;
    std::function<void()> task;
    std::optional<Duration> period;
    bool cancelled = false;
};

class LoopTimer final : public EventLoop::Timer {
  public:
    explicit LoopTimer(std::shared_ptr<TimerState> state) : state_(std::move(state)) {}
    ~LoopTimer() override {
        state_->cancelled = true;
        state_->timer.cancel();
    }

  private:
    std::shared_ptr<TimerState> state_;
};

// As TimerState; the descriptor is a copy, so that its end is ours.
struct ReaderState : std::enable_shared_from_this<ReaderState> {
    ReaderState(asio::io_context& context, std::function<void()> what)
        : descriptor(context), task(std::move(what)) {}

    void arm() {
        descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                              [self = shared_from_this()](boost::system::error_code error) {
                                  if (!error && !self->cancelled) {
                                      self->task();
                                      self->arm_again();
                                  }
                              });
    }
    void arm_again() {
        if (!cancelled) {
            arm();
        }
    }

    asio::posix::stream_descriptor descriptor;
    std::function<void()> task;
    bool cancelled = false;
};

class LoopReader final : public EventLoop::Timer {
  public:
    explicit LoopReader(std::shared_ptr<ReaderState> state) : state_(std::move(state)) {}
    ~LoopReader() override {
        state_->cancelled = true;
        boost::system::error_code ignored;
        state_->descriptor.close(ignored);
    }

  private:
    std::shared_ptr<ReaderState> state_;
};

struct Work {
    std::function<void()> work;
    std::function<void()> done;
};

}  // namespace

struct EventLoop::Impl {
    Impl(const Clock& clock_in, std::size_t workers)
        : clock(clock_in), guard(context.get_executor()) {
        for (std::size_t i = 0; i < workers; ++i) {
            threads.emplace_back([this] { work(); });
            pthread_setname_np(threads.back().native_handle(), "sust-work");
        }
    }

    ~Impl() { end_work(); }

    void end_work() {
        {
            const std::lock_guard lock(mutex);
            ending = true;
        }
        wake.notify_all();
        for (auto& thread : threads) {
            thread.join();
        }
        threads.clear();
    }

    void work() {
        std::unique_lock lock(mutex);
        while (true) {
            wake.wait(lock, [this] { return ending || !queue.empty(); });
            if (ending) {
                return;
            }
            auto item = std::move(queue.front());
            queue.pop_front();
            lock.unlock();
            item.work();
            // What the work holds ends on the loop, with `done`: objects of the loop stay there.
            asio::post(context, [item = std::move(item)] { item.done(); });
            lock.lock();
        }
    }

    const Clock& clock;
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard;
    std::unique_ptr<asio::signal_set> signals;
    std::function<void(int)> on_signal;

    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Work> queue;
    bool ending = false;
    std::vector<std::thread> threads;
};

EventLoop::EventLoop(const Clock& clock, std::size_t workers)
    : impl_(std::make_unique<Impl>(clock, workers)) {}

EventLoop::~EventLoop() = default;

void EventLoop::run() {
    impl_->context.restart();
    impl_->context.run();
}

void EventLoop::stop() {
    impl_->context.stop();
}

void EventLoop::post(std::function<void()> task) {
    asio::post(impl_->context, std::move(task));
}

std::unique_ptr<EventLoop::Timer> EventLoop::after(Duration delay, std::function<void()> task) {
    auto state = std::make_shared<TimerState>(impl_->context, std::move(task));
    state->arm(delay);
    return std::make_unique<LoopTimer>(std::move(state));
}

std::unique_ptr<EventLoop::Timer> EventLoop::every(Duration period, std::function<void()> task) {
    auto state = std::make_shared<TimerState>(impl_->context, std::move(task));
    state->period = period;
    state->arm(period);
    return std::make_unique<LoopTimer>(std::move(state));
}

Result<std::unique_ptr<EventLoop::Timer>> EventLoop::on_readable(int fd,
                                                                 std::function<void()> task) {
    Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy) {
        return fail_errno("copy a descriptor", errno);
    }
    auto state = std::make_shared<ReaderState>(impl_->context, std::move(task));
    boost::system::error_code error;
    state->descriptor.assign(copy.get(), error);
    if (error) {
        return fail_errno("watch a descriptor", error.value());
    }
    (void)copy.release();
    state->arm();
    return std::unique_ptr<Timer>(std::make_unique<LoopReader>(std::move(state)));
}

Result<void> EventLoop::offload(std::function<void()> work, std::function<void()> done) {
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->queue.size() >= k_max_waiting_work) {
            return fail(Fault::exhausted, "256 pieces of work wait already",
                        {.hint = "try again in a few seconds"});
        }
        impl_->queue.push_back({std::move(work), std::move(done)});
    }
    impl_->wake.notify_one();
    return {};
}

void EventLoop::end_work() {
    impl_->end_work();
}

void EventLoop::on_stop_signal(std::function<void(int signal)> callback) {
    impl_->on_signal = std::move(callback);
    impl_->signals = std::make_unique<asio::signal_set>(impl_->context, SIGINT, SIGTERM);
    impl_->signals->async_wait([this](boost::system::error_code error, int signal) {
        if (!error) {
            const auto call = impl_->on_signal;
            on_stop_signal(call);
            call(signal);
        }
    });
}

const Clock& EventLoop::clock() const {
    return impl_->clock;
}
boost::asio::io_context& EventLoop::context() {
    return impl_->context;
}

}  // namespace sust::core
