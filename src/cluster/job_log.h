#pragma once

// One stream of a job: a file that the command appends to, with nobody in between, and of which
// only the end is kept. Old bytes are cut out as a hole, so an offset once told stays true.

#include <cstdint>

#include "cluster/scheduler.h"
#include "core/fd.h"
#include "core/log.h"

namespace sust::cluster {

// The wrapper's side.
class JobLog {
  public:
    static Result<JobLog> open(const Path& path, std::uint64_t max_bytes);

    int fd() const { return fd_.get(); }
    // Called on a timer; at most a quarter over `max_bytes` stays, and what came since.
    void bound(const core::Log& log);

  private:
    JobLog(core::Fd fd, std::uint64_t max_bytes) : fd_(std::move(fd)), max_bytes_(max_bytes) {}
    core::Fd fd_;
    std::uint64_t max_bytes_;
    std::uint64_t cut_ = 0;  // bytes before it are gone
};

// The reader's side: bytes from `offset`, or from the first that is still there. An absent file
// is empty. `complete` is left to the caller.
Result<LogChunk> read_job_log(const Path& path, std::uint64_t offset, std::size_t max_bytes);

}  // namespace sust::cluster
