#pragma once

// The few verbs of a back end. A back end acts and never judges; absence is a value.
// Called from the control loop's thread; calls return at once or within their deadline.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/job.h"

namespace sust::cluster {

// What callers ask for instead of a back end's name.
enum class Capability { time_limits, requeue, gang, devices, start_estimates, hold_nodes };

struct Node {
    std::string name;
    int cores = 0;
    std::uint64_t memory_bytes = 0;
    bool held = false;
    std::string hold_reason;
};

struct LogChunk {
    std::string bytes;
    std::uint64_t next_offset = 0;
    std::uint64_t end = 0;  // of what is there now: a tail begins at end - bytes wanted
    bool complete = false;  // the job is final and everything was read
};
enum class Stream { out, err };

class Scheduler {
  public:
    virtual ~Scheduler() = default;
    virtual std::string_view name() const = 0;
    virtual std::set<Capability> capabilities() const = 0;

    // Twice with one token is one job: the second call changes nothing and succeeds, unless the
    // specification differs (conflict).
    virtual Result<void> submit(const JobSpec& spec) = 0;
    // A further attempt of a job whose last attempt is final: the epoch grows by one, first in
    // the fence, then everywhere else. Returns the epoch.
    virtual Result<std::int64_t> resubmit(const Token& token) = 0;
    // Asks the job to end (its stop ladder). Absent and final jobs are fine.
    virtual Result<void> cancel(const Token& token) = 0;
    virtual Result<std::optional<JobStatus>> describe(const Token& token) = 0;
    virtual Result<std::vector<JobStatus>> list() = 0;
    // Called (on the control loop's thread, from poll()) with every job whose state changed.
    virtual void watch(std::function<void(const JobStatus&)> on_change) = 0;
    // Looks for changes; the control loop calls it on a timer.
    virtual void poll() = 0;
    virtual Result<LogChunk> logs(const Token& token, Stream stream, std::uint64_t offset,
                                  std::size_t max_bytes) = 0;
    // Forgets a final job and removes its directory.
    virtual Result<void> forget(const Token& token) = 0;
    // The directory that both sides see (the carrier of the wrapper's words).
    virtual Path job_directory(const Token& token) const = 0;
    virtual Result<std::vector<Node>> nodes() = 0;
    // Takes no further job on the node until release.
    virtual Result<void> hold(std::string_view node, std::string_view reason) = 0;
    virtual Result<void> release(std::string_view node) = 0;
};

}  // namespace sust::cluster
