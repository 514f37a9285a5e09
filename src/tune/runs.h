#pragma once

// The runs of this installation: started, followed, cancelled, resumed. Called on the control
// loop's thread; what takes long (hashing, copying) goes through `offload`. Every change is in the
// database before it is acted on, and every action may be repeated, so that an end of the process
// at any moment is followed by the same end state after open().

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/backends.h"
#include "core/log.h"
#include "core/places.h"
#include "core/sql.h"
#include "store/store.h"
#include "tune/run.h"

namespace sust::tune {

struct RunRequest {
    std::string recipe;
    std::string base{};  // names in the store
    std::string data{};
    std::vector<std::string> evaluations{};
    std::string name{};  // of the result; empty for to-gguf: <base>/gguf
    Settings settings{};
    std::vector<cluster::Placement> placement{};  // alternatives; none: this machine
};

struct EvaluationRequest {
    std::string model;
    std::vector<std::string> data;
    std::int64_t limit = 0;  // questions per dataset; 0: all
};

// Something that a follower of a run wants to see.
struct RunEvent {
    std::string run;
    std::string event;  // "progress", "stage", "state"
    std::string json;
};

struct RunsLimits {
    std::size_t max_active = 16;                  // runs at once; further ones are refused
    std::uint64_t min_free_bytes = 256ULL << 20;  // left on the disk beside what a run needs
};

// Runs `work` elsewhere, then `done` on the loop. An error: try again later.
using Offload =
    std::function<core::Result<void>(std::function<void()> work, std::function<void()> done)>;

// The image of an environment, if it is an artifact; an error if it cannot be used.
using FindEnvironment = std::function<core::Result<std::optional<store::Digest>>(std::string_view)>;

struct RunsNeeds {
    core::Database& database;
    store::Store& store;
    const cluster::Backends& backends;
    const core::Clock& clock;
    core::Log log;
    core::Places places;
    core::Path root{};                   // --root, handed to every `sust` that we start
    Offload offload{};                   // absent: at once, on the caller's thread
    FindEnvironment find_environment{};  // absent: env::resolve
    int threads = 0;  // for trainer and engine; 0: the cores of the back end's first node
    RunsLimits limits{};
};

class Runs {
  public:
    // Brings the tables up to date and takes up the runs that were at work.
    static core::Result<std::unique_ptr<Runs>> open(RunsNeeds needs);
    ~Runs();

    // Nothing is started unless every input is there and every parameter in range.
    core::Result<Run> start(const RunRequest& request);
    core::Result<Run> evaluate(const EvaluationRequest& request);

    core::Result<Run> show(std::string_view id);
    // Newest first; `after` is an id of the page before.
    core::Result<std::vector<Run>> list(std::string_view after = {}, std::size_t limit = 100);
    core::Result<cluster::LogChunk> logs(std::string_view id, Stage stage, cluster::Stream stream,
                                         std::uint64_t offset, std::size_t max_bytes);

    // Ends the run's job by its stop ladder; conflict if the run has ended.
    core::Result<Run> cancel(std::string_view id);
    // Goes on with a failed, cancelled or lost run from its last checkpoint.
    core::Result<Run> resume(std::string_view id);
    // Lets go of what an ended run holds, its folder and its jobs, then of the run itself; what it
    // registered stays. conflict while it is at work. Answers the run as it was.
    core::Result<Run> remove(std::string_view id);

    // Looks after every run at work; the control loop calls it on a timer (about 1 s).
    void tick();
    // For Scheduler::watch; jobs of others are ignored.
    void on_job(const cluster::JobStatus& status);
    void on_event(std::function<void(const RunEvent&)> listener);

  private:
    struct Impl;
    explicit Runs(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::tune
