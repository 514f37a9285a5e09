#pragma once

// The few verbs of a back end; docs/protocol/scheduler.md is their contract. A back end acts and
// never judges; absence is a value. Every verb is called from the control loop's thread and
// returns at once: what has to ask a scheduler is done by the back end's own thread, and its
// outcome comes from poll(), on the loop's thread.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/job.h"
#include "cluster/node.h"
#include "core/identity.h"

namespace sust::cluster {

// What callers ask for instead of a back end's name; what is absent is refused by submit.
enum class Capability {
    several_nodes,
    several_tasks,
    gpus,
    memory_limits,
    time_limits,  // the scheduler's own, besides the wrapper's
    notice,       // the command hears of its time limit before
    priorities,
    partitions,  // partition, account and queue mean something
    exclude_nodes,
    start_estimates,
    hold_nodes,
    drain_nodes,
    principals,     // runs a job as somebody else
    job_directory,  // the job's files are seen by both sides
    this_machine,   // jobs run where the controller does: its sockets and folders are theirs
    files,          // what is put for a job and what it leaves is seen by both sides
    images,         // starts a job in an image by itself; elsewhere the command is `sust run`
};
std::string_view to_string(Capability capability);

struct LogChunk {
    std::string bytes;
    std::uint64_t next_offset = 0;
    std::uint64_t end = 0;  // of what is there now: a tail begins at end - bytes wanted
    bool complete = false;  // the job is final and everything was read
};
enum class Stream { out, err };

// One line of `sust backend check`.
struct CheckLine {
    enum class Outcome { good, warning, bad };
    std::string what;
    Outcome outcome = Outcome::bad;
    std::string detail;
    std::string hint;  // the next step, unless good
};

// Where a job would go and when.
struct Outlook {
    std::optional<core::WallTime> start;  // nothing: the back end cannot say
    std::string where;                    // a partition, nodes, a namespace
    std::string why;
};

// Where a job's files are, and whose: nothing is whoever runs the controller.
struct JobPlace {
    Path directory;
    std::optional<core::Identity> owner;
};

class Scheduler;

// invalid, naming the field, where the job asks for what the back end cannot do.
Result<void> check_capabilities(const JobSpec& spec, const Scheduler& scheduler);

class Scheduler {
  public:
    template <class T>
    using Then = std::function<void(Result<T>)>;

    virtual ~Scheduler() = default;
    virtual std::string_view name() const = 0;
    virtual std::set<Capability> capabilities() const = 0;

    // The longest time limit that a job may have here; nothing: as long as it likes.
    virtual std::optional<Duration> longest(const JobSpec&) const { return {}; }
    // Of the addresses of a node the one that is reached from outside is in this network (CIDR);
    // empty: any global one.
    virtual std::string network() const { return {}; }
    // Whether it could ever run here, by what is known now. invalid names the field and says why.
    virtual Result<void> accepts(const JobSpec& spec) const = 0;
    // Takes the job: when it returns, its words are on disk (planned), and the back end goes on
    // until it has ended. Twice with one token is one job: the second call changes nothing and
    // succeeds, unless the specification differs (conflict).
    virtual Result<void> submit(const JobSpec& spec) = 0;
    // The same for many, whose words are on disk together: `then` has what submit() would have
    // returned for each, in their order, and is called from poll() or before this returns. A job
    // is described once its words are on disk; until then nothing is asked about it.
    virtual void submit_all(std::vector<JobSpec> specs,
                            std::function<void(std::vector<Result<void>>)> then);
    // A further attempt of a job whose last attempt is final: the epoch grows by one, first in
    // the fence, then everywhere else. Returns the epoch.
    virtual Result<std::int64_t> resubmit(const Token& token, const Orders& orders) = 0;
    // Asks the job to end (its stop ladder). Absent and final jobs are fine.
    virtual Result<void> cancel(const Token& token) = 0;
    virtual Result<std::optional<JobStatus>> describe(const Token& token) = 0;
    virtual Result<std::vector<JobStatus>> list() = 0;
    // Called (on the control loop's thread, from poll()) with every job whose state changed.
    virtual void watch(std::function<void(const JobStatus&)> on_change) = 0;
    // Looks for changes; the control loop calls it on a timer, and when wake_fd() is readable.
    virtual void poll() = 0;
    // Readable when a poll would find something; -1: the timer alone.
    virtual int wake_fd() const { return -1; }
    virtual Result<LogChunk> logs(const Token& token, Stream stream, std::uint64_t offset,
                                  std::size_t max_bytes) = 0;
    // Forgets a final job and removes its directory.
    virtual Result<void> forget(const Token& token) = 0;
    // Makes the directory that the job has, or will have once it is submitted, so that something
    // can be put into it before; what was never submitted is removed by forget(), and by the next
    // controller. With Capability::files alone.
    virtual Result<JobPlace> prepare(const JobSpec& spec) = 0;
    // The directory that both sides see (the carrier of the wrapper's words); empty without
    // Capability::job_directory.
    virtual Path job_directory(const Token& token) const = 0;

    // As last seen; each has its age.
    virtual Result<std::vector<Node>> nodes() = 0;
    // Takes no further job on the node until release, and what runs goes on. A node that somebody
    // else holds keeps their reason, and release leaves it to them (conflict).
    virtual void hold(std::string_view node, std::string_view reason, Then<void> then) = 0;
    // hold, and what of ours runs there is `preempted`, as far as the scheduler allows in time.
    virtual void drain(std::string_view node, std::string_view reason, Duration within,
                       Then<Drained> then);
    virtual void release(std::string_view node, Then<void> then) = 0;
    virtual void outlook(const JobSpec& spec, Then<Outlook> then) = 0;
    virtual void check(Then<std::vector<CheckLine>> then) = 0;
};

}  // namespace sust::cluster
