#pragma once

// One job of a back end, as its directory keeps it: what the files say, and the state that follows
// from them and from what the back end saw. Everything that is known here is found again from the
// files by the next controller.

#include <optional>
#include <string>
#include <vector>

#include "cluster/states.h"
#include "cluster/words.h"
#include "core/log.h"

namespace sust::cluster {

// What was seen of a job at one moment.
struct Sight {
    Event event;
    std::optional<End> end{};  // with Event::over
    Source source = Source::scheduler;
    std::string reason{};
    std::optional<int> exit_status{};
    core::WallTime started{};
    core::WallTime finished{};
    std::vector<std::string>
        nodes{};           // all of the attempt, where they are known; empty: as they were
    bool stopped = false;  // by a signal to the wrapper: the scheduler may know why
};

class KeptJob {
  public:
    // Writes everything that makes the job exist (planned); `jobs` is the folder of all, which
    // the caller syncs.
    static Result<KeptJob> create(const Path& jobs, const JobWord& word, const core::Clock& clock);
    // The same in two steps, each of which the caller syncs for many jobs at once: all but
    // job.json, then that, which makes it a job.
    static Result<KeptJob> draft(const Path& jobs, const JobWord& word);
    Result<void> establish(const core::Clock& clock);
    // A job that an earlier controller created; load() reads the rest.
    static KeptJob find(const Path& directory);

    // Fence and job.json, once; trouble may pass. Without the epoch nothing can be known, without
    // job.json only nothing can be started.
    Result<void> load();
    bool has_epoch() const { return status_.epoch > 0; }
    bool is_for(const JobSpec& spec) const;

    const JobStatus& status() const { return status_; }
    const JobSpec& spec() const { return spec_; }  // after load()
    const JobFiles& directory() const { return directory_; }
    const AttemptFiles& files() const { return files_; }
    // False while a wrapper on this machine holds the newest attempt, or nobody can tell.
    bool is_idle() const;

    // attempt.json, read once it is there. invalid: it cannot be believed, which distrust() tells.
    Result<std::optional<AttemptWord>> attempt();
    const std::string& distrust() const { return distrust_; }
    // exit.json, else verdict.json. To be asked only after the wrapper was seen to be gone, so
    // that nothing can be said in between.
    std::optional<Sight> final_words();
    bool is_cancelled() const;
    bool is_stopping() const;
    // job.json's, and the orders of this attempt.
    Result<std::vector<std::string>> excluded_nodes() const;
    Result<Duration> time_limit() const;

    // A verdict that any controller would reach again from the same files; writing it keeps its
    // time.
    Sight conclude(End end, std::string reason, const core::Clock& clock, const core::Log& log);
    Result<Sight> try_to_conclude(End end, std::string reason, const core::Clock& clock);

    // True if the state changed.
    bool apply(const Sight& sight, const core::Clock& clock, const core::Log& log);
    // The wish is on disk before anybody hears of it.
    Result<void> mark_cancelled() const;
    // Begins a further attempt of a job that has ended. timeout: somebody holds its fence for
    // longer than `wait`, which is the loop's time: none for a job that is another user's.
    Result<std::int64_t> resubmit(const Orders& orders, const core::Clock& clock, Duration wait);

  private:
    explicit KeptJob(const Path& directory) : directory_{directory} {
        status_.token.value = directory.filename();
    }
    Result<void> write_words(const JobWord& word, const core::Clock& clock) const;
    void begin_attempt(std::int64_t epoch);

    JobFiles directory_;
    AttemptFiles files_{};
    std::string spec_text_;  // empty: job.json was not read yet, or cannot be
    JobSpec spec_;
    JobStatus status_;
    std::optional<AttemptWord> attempt_;
    std::string distrust_;  // why attempt.json or exit.json is not believed
};

}  // namespace sust::cluster
