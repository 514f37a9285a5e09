#pragma once

// Jobs of users: chosen a back end, given to it, tried again, continued in segments, ended. Every
// decision is kept before it is acted on, and every act may be repeated, so that a controller that
// is killed at any moment goes on to the same end. On the control loop's thread.

#include <deque>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/backends.h"
#include "control/job_outputs.h"
#include "control/job_table.h"
#include "core/log.h"
#include "core/places.h"

namespace sust::control {

struct JobsNeeds {
    core::Database& database;
    const cluster::Backends& backends;
    const core::Clock& clock;
    core::Log log;
    core::Places places;
    core::Path root;  // of --root; for the words that start an environment
    store::Store& store;
    // `work` on another thread, then `done` on this one (core::EventLoop::offload).
    std::function<Result<void>(std::function<void()> work, std::function<void()> done)> offload;
};

// A fault that another try may not have; every other one is an answer.
bool may_pass(core::Fault fault);

class Jobs {
  public:
    // Reads those that have not ended. The migrations have been run.
    static Result<Jobs> open(JobsNeeds needs);

    // Kept as planned when it returns; tick() goes on. exhausted: too many have not ended.
    Result<Job> submit(const cluster::JobRequest& request);
    // Ends it after the attempt that runs, if one does. Ended ones are fine.
    Result<Job> cancel(std::string_view id);
    // conflict: it has not ended.
    Result<void> remove(std::string_view id);
    Result<Job> show(std::string_view id);
    // Newest first, before `after`.
    Result<std::vector<Job>> list(std::string_view after, std::size_t limit);
    // Of the newest attempt. `complete`: the job has ended and everything was read.
    Result<cluster::LogChunk> logs(std::string_view id, cluster::Stream stream,
                                   std::uint64_t offset, std::size_t max_bytes);

    void on_change(std::function<void(const Job&)> callback) { on_change_ = std::move(callback); }
    // Facts of back ends, and the passing of time. on_job is for every job, tick for all of ours.
    void on_job(const cluster::JobStatus& status);
    void tick();
    // Files that are on their way are left where they are, for the next controller; before the pool
    // is waited for.
    void stop_bringing() { stop_.request_stop(); }
    bool is_ours(const cluster::Token& token) const { return live_.contains(token.value); }

  private:
    // Of files to a job or from it.
    struct Bringing {
        bool at_work = false;    // the pool is
        bool given = false;      // its back end is writing it down, or is to
        bool staged = false;     // the inputs are there
        core::MonoTime since{};  // the first time that outputs were looked for
        core::MonoTime again{};  // after trouble
    };

    // Jobs on their way to a back end.
    struct Line {
        std::deque<std::string> waiting{};  // ids
        int under_way = 0;                  // sets of them that are being written down
    };

    explicit Jobs(JobsNeeds needs) : needs_(std::move(needs)), table_(needs_.database) {}

    void advance(Job& job);
    Result<void> step(Job& job);
    Result<void> start(Job& job, cluster::Scheduler& scheduler);
    void give();
    void on_given(const std::string& backend, const std::vector<std::string>& ids,
                  const std::vector<Result<void>>& taken);
    void refuse(Job& job, const core::Error& error);
    Result<void> look(Job& job, cluster::Scheduler& scheduler);
    Result<void> stage(Job& job, cluster::Scheduler& scheduler);
    void on_staged(const std::string& id, const Result<void>& staged);
    Result<void> publish(Job& job, cluster::Scheduler& scheduler);
    void on_published(const std::string& id, const Result<Published>& published);
    Result<void> take(Job& job, const Published& published);
    void let_go(const Job& job);
    Result<void> judge(Job& job, const cluster::JobStatus& status);
    Result<void> go_on(Job& job);
    Result<void> end(Job& job, std::string trouble);
    Result<void> keep(Job& job);
    Result<void> keep_all(const std::vector<Job*>& jobs);
    cluster::JobSpec spec_of(const Job& job, cluster::Scheduler& scheduler) const;

    JobsNeeds needs_;
    JobTable table_;
    std::map<std::string, Job, std::less<>> live_;           // those that have not ended, by id
    std::map<std::string, Bringing, std::less<>> bringing_;  // by id
    std::map<std::string, Line, std::less<>> lines_;         // by back end
    bool giving_ = false;
    std::function<void(const Job&)> on_change_;
    std::stop_source stop_;
};

}  // namespace sust::control
