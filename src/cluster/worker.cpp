#include "cluster/worker.h"

#include <cstdint>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace sust::cluster {

namespace {
// Submissions of a thousand jobs at once wait here; each is one short command.
constexpr std::size_t k_waiting_max = 4096;
}  // namespace

Worker::Worker(const std::string& name, std::size_t threads)
    : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    for (std::size_t i = 0; i < threads; ++i) {
        auto& thread = threads_.emplace_back([this] { run(); });
        ::pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
    }
}

Worker::~Worker() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
        waiting_.clear();
    }
    wake_.notify_all();
    for (auto& thread : threads_) {
        thread.join();
    }
    ::close(fd_);
}

core::Result<void> Worker::post(std::function<void()> work, std::function<void()> then) {
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() >= k_waiting_max) {
            return core::fail(core::Fault::exhausted, "too much waits for the scheduler already");
        }
        waiting_.push_back({std::move(work), std::move(then)});
    }
    wake_.notify_one();
    return {};
}

void Worker::run() {
    while (true) {
        Piece piece;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
            if (stop_) {
                return;
            }
            piece = std::move(waiting_.front());
            waiting_.pop_front();
        }
        piece.work();
        const std::lock_guard lock(mutex_);
        finished_.push_back(std::move(piece.then));
        const std::uint64_t one = 1;
        (void)!::write(fd_, &one, sizeof one);
    }
}

void Worker::collect() {
    std::vector<std::function<void()>> finished;
    {
        const std::lock_guard lock(mutex_);
        std::uint64_t count = 0;
        (void)!::read(fd_, &count, sizeof count);
        finished.swap(finished_);
    }
    for (const auto& then : finished) {
        then();
    }
}

}  // namespace sust::cluster
