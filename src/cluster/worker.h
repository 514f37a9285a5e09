#pragma once

// The threads of a back end that ask a scheduler: work goes in, its outcome comes back on the
// control loop's thread when that collects. A scheduler that hangs holds up its own back end and
// nothing else. Work begins in order; with one thread it ends in order too.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/result.h"

namespace sust::cluster {

class Worker {
  public:
    // `name` is the threads' (15 characters); 1 to 64 of them.
    explicit Worker(const std::string& name, std::size_t threads = 1);
    // Drops what waits and waits for the work that runs; work has a deadline of its own.
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // `then` on the thread that calls collect(). exhausted: as much waits as may.
    core::Result<void> post(std::function<void()> work, std::function<void()> then);
    // Runs what follows from finished work, in the order in which it ended.
    void collect();
    // Readable while there is something to collect.
    int fd() const { return fd_; }

  private:
    struct Piece {
        std::function<void()> work;
        std::function<void()> then;
    };

    void run();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Piece> waiting_;
    std::vector<std::function<void()>> finished_;
    bool stop_ = false;
    int fd_ = -1;  // an eventfd
    std::vector<std::thread> threads_;
};

}  // namespace sust::cluster
