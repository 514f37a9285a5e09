#pragma once

// What back ends have in common whose jobs are kept in directories: a folder of them under one
// lock, submitting once, listing, logs, forgetting. A back end adds what it does with one job.

#include <map>
#include <set>

#include "cluster/kept_job.h"
#include "cluster/scheduler.h"
#include "cluster/worker.h"
#include "core/identity.h"

namespace sust::cluster {

// A job of a back end. Book calls these on the control loop's thread.
class BookedJob {
  public:
    explicit BookedJob(KeptJob kept) : kept_(std::move(kept)) {}
    virtual ~BookedJob() = default;
    BookedJob(const BookedJob&) = delete;
    BookedJob& operator=(const BookedJob&) = delete;

    const KeptJob& kept() const { return kept_; }
    const JobStatus& status() const { return kept_.status(); }
    // Whose its files are; nothing: ours.
    const std::optional<core::Identity>& owner() const { return owner_; }
    void set_owner(std::optional<core::Identity> owner) { owner_ = std::move(owner); }
    // What touches its files does so as their owner.
    Result<core::ActAs> act() const { return core::ActAs::begin(owner_); }
    // One step: looks, acts if something is due, and returns true if the state changed. Not called
    // once the job has ended.
    virtual bool look() = 0;
    // After the wish was marked.
    virtual Result<void> stop() = 0;
    virtual Result<std::int64_t> resubmit(const Orders& orders) = 0;

  protected:
    // A further attempt, as KeptJob has it.
    Result<std::int64_t> begin_another(const Orders& orders, const core::Clock& clock);

    KeptJob kept_;

  private:
    std::optional<core::Identity> owner_;
};

// Of a folder of jobs that has others' in it: they pass through it to what is theirs.
constexpr mode_t k_passage_mode = 0711;

struct BookOptions {
    Path jobs;                         // jobs/<token>/<attempt>/...
    mode_t jobs_mode = 0700;           // or k_passage_mode
    std::size_t max_live_jobs = 1000;  // not ended
    std::uint64_t log_bytes = k_log_bytes;
    // For the lock of another controller; the kernel frees that of a killed one at once.
    Duration lock_wait = std::chrono::seconds(5);
};

class Book : public Scheduler {
  public:
    Result<void> submit(const JobSpec& spec) final;
    void submit_all(std::vector<JobSpec> specs,
                    std::function<void(std::vector<Result<void>>)> then) final;
    Result<std::int64_t> resubmit(const Token& token, const Orders& orders) final;
    Result<void> cancel(const Token& token) final;
    Result<std::optional<JobStatus>> describe(const Token& token) final;
    Result<std::vector<JobStatus>> list() final;
    void watch(std::function<void(const JobStatus&)> on_change) final {
        on_change_ = std::move(on_change);
    }
    void poll() override;
    Result<LogChunk> logs(const Token& token, Stream stream, std::uint64_t offset,
                          std::size_t max_bytes) override;
    Result<void> forget(const Token& token) final;
    Result<JobPlace> prepare(const JobSpec& spec) final;
    Path job_directory(const Token& token) const override { return options_.jobs / token.value; }

  protected:
    Book(BookOptions options, const core::Clock& clock, core::Log log)
        : options_(std::move(options)), clock_(clock), log_(std::move(log)) {}

    // Takes the folder and finds the jobs of an earlier controller. conflict: another controller
    // has it open; denied: others are to have jobs in it, and it is not ours.
    Result<void> open();
    virtual std::unique_ptr<BookedJob> book(KeptJob job) = 0;
    // The threads that write the words of submit_all(), which the back end collects; none: this
    // one does.
    virtual Worker* writers() { return nullptr; }
    // Whose files a job's are to be; nothing: ours. denied: it may not be theirs. Of any thread.
    virtual Result<std::optional<core::Identity>> owner_for(const JobSpec&) const {
        return std::optional<core::Identity>();
    }
    // Whose they are, by the owner of its directory, which stands in ours and so cannot be forged.
    // Of any thread.
    virtual Result<std::optional<core::Identity>> owner_of(const Path&) const {
        return std::optional<core::Identity>();
    }
    // Calls watch() for what changed.
    void tell();
    // What the wrapper puts before the command; empty: nothing.
    virtual std::vector<std::string> launcher(const JobSpec&) const { return {}; }
    // Of what runs elsewhere there is nothing to see.
    virtual bool may_forget(const BookedJob& job) const;

    BookOptions options_;
    const core::Clock& clock_;
    core::Log log_;
    std::map<Token, std::unique_ptr<BookedJob>> jobs_;

  private:
    Result<void> make_folder() const;
    Result<void> find_jobs();
    Result<void> find_job(const Path& directory);
    // Of a job that is to be.
    struct Draft {
        JobWord word;
        std::optional<JobPlace> place{};
        Result<KeptJob> made = core::fail(core::Fault::internal, "not written");
    };
    using Drafts = std::vector<Draft>;
    // Nothing: it is known already, and is this one. `live`: jobs that have not ended.
    Result<std::optional<Draft>> draft(const JobSpec& spec, std::size_t live) const;
    // Of any thread, both.
    void write(Drafts& drafts) const;
    Result<JobPlace> make_place(const JobSpec& spec) const;
    Result<void> take(Draft draft);
    Result<void> remove(const Path& directory) const;
    Result<void> forget_prepared(const Token& token);
    Result<BookedJob*> find(const Token& token);
    void look(BookedJob& job);
    std::size_t count_live() const;

    std::optional<core::FileLock> lock_;
    std::set<Token> drafts_;  // that are being written on another thread
    std::vector<JobStatus> changes_;
    std::function<void(const JobStatus&)> on_change_;
};

}  // namespace sust::cluster
