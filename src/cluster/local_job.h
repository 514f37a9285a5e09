#pragma once

// One job of the local back end: what its files and its wrapper say, and what follows from that.
// Everything that is known here is found again from the files by the next controller.

#include <optional>
#include <string>
#include <vector>

#include "cluster/local.h"
#include "cluster/states.h"

namespace sust::cluster {

// What all jobs of one controller share.
struct LocalContext {
    LocalOptions options;
    const core::Clock& clock;
    core::Log log;
    std::string boot_id;
    std::optional<std::string> hold_reason{};
    std::vector<pid_t> wrappers{};  // children of this process that were not reaped yet
};

// Reaps the wrappers that have ended.
void reap_wrappers(LocalContext& context);

class LocalJob {
  public:
    // Writes everything that makes the job exist; starts nothing.
    static Result<LocalJob> create(const JobSpec& spec, const LocalContext& context);
    // A job that an earlier controller created; `look` reads the rest.
    static LocalJob find(const Path& directory);

    const JobStatus& status() const { return status_; }
    // job.json says what `spec` says.
    bool is_for(const JobSpec& spec) const;
    const AttemptFiles& files() const { return files_; }
    // False while a wrapper holds the newest attempt, or nobody can tell.
    bool is_idle() const;

    // One step: looks, acts if the job is to be started or its rests are to be ended, and returns
    // true if the state changed.
    bool look(LocalContext& context);
    Result<void> cancel(LocalContext& context);
    Result<std::int64_t> resubmit(LocalContext& context);

  private:
    struct Sight {
        Event event;
        std::optional<End> end{};
        Source source = Source::scheduler;
        std::string reason{};
        std::optional<int> exit_status{};
        core::WallTime started{};
        core::WallTime finished{};
    };

    explicit LocalJob(const Path& directory) : directory_{directory} {}

    Result<void> write_words(const JobSpec& spec, const LocalContext& context) const;
    Result<void> load();
    Sight see(LocalContext& context);
    std::optional<Sight> see_wrapper(LocalContext& context);
    std::optional<Sight> see_final_words();
    Sight see_unstarted(LocalContext& context);
    Sight see_abandoned(LocalContext& context);
    std::optional<Sight> see_permission(LocalContext& context);
    Sight give_up(LocalContext& context);
    Sight conclude(VerdictWord verdict, LocalContext& context);
    Result<void> start(LocalContext& context);
    bool is_starting(const LocalContext& context) const;
    bool apply(const Sight& sight, LocalContext& context);
    void begin_attempt(std::int64_t epoch);

    JobFiles directory_;
    AttemptFiles files_{};
    std::string spec_text_;  // empty: job.json was not read yet, or cannot be
    JobStatus status_;

    std::optional<AttemptWord> attempt_;
    std::string distrusted_;  // why attempt.json or exit.json is not believed
    core::Fd wrapper_;        // pidfd of the wrapper that attempt.json names
    pid_t started_ = 0;       // the wrapper that we started, until attempt.json is seen
    int tries_ = 0;
    std::string last_failure_;
    core::MonoTime next_try_{};
    std::optional<core::Deadline> ending_;  // of the rests of a dead wrapper
};

}  // namespace sust::cluster
