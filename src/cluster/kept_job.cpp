#include "cluster/kept_job.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>

#include "cluster/fence.h"
#include "core/sync.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view k_draft = ".job.json.draft";

bool is_free(const Path& lock) {
    if (!core::path_exists(lock)) {
        return true;
    }
    const auto taken = core::FileLock::try_acquire(lock);
    return taken && taken->has_value();
}

std::string reason_of(const ExitWord& word) {
    std::string text;
    switch (word.reason) {
        case ExitReason::exited:
            text = word.status == 0 ? "" : fmt::format("exit status {}", word.status);
            break;
        case ExitReason::signalled: {
            const char* name = ::sigabbrev_np(word.signal);
            text = fmt::format("killed by SIG{}", name == nullptr ? "?" : name);
            break;
        }
        case ExitReason::cannot_start:
            return "the command cannot be started: " + word.detail;
        case ExitReason::time_limit:
            return word.detail + " reached";
        case ExitReason::out_of_memory:
            return word.detail;
        case ExitReason::cancelled:
        case ExitReason::fenced:
        case ExitReason::stopped:
            text = to_string(word.reason);
    }
    return word.detail.empty() ? text : text + (text.empty() ? "" : ": ") + word.detail;
}

End end_of(const ExitWord& word) {
    switch (word.reason) {
        case ExitReason::cancelled:
            return End::cancelled;
        case ExitReason::time_limit:
            return End::time_limit;
        case ExitReason::cannot_start:
            return End::start_failed;
        case ExitReason::out_of_memory:
            return End::out_of_memory;
        case ExitReason::exited:
        case ExitReason::stopped:
            return word.status == 0 ? End::completed : End::failed;
        case ExitReason::signalled:
        case ExitReason::fenced:
            break;
    }
    return End::failed;
}

}  // namespace

// --- Coming into being -----------------------------------------------------------------------

Result<KeptJob> KeptJob::create(const Path& jobs, const JobWord& word, const core::Clock& clock) {
    KeptJob job(jobs / word.spec.token.value);
    auto made = job.write_words(word, clock);
    if (made) {
        made = job.load();
    }
    if (!made) {
        (void)core::remove_tree(job.directory_.path);  // else the next controller does
        return tl::unexpected(std::move(made).error());
    }
    job.status_.state = State::planned;
    job.status_.observed = clock.wall();
    return job;
}

// What an earlier draft left is written over.
Result<KeptJob> KeptJob::draft(const Path& jobs, const JobWord& word) {
    KeptJob job(jobs / word.spec.token.value);
    const auto& directory = job.directory_;
    TRY(core::make_directories(directory.path, 0700));
    TRY(core::make_directories(directory.attempt(1).path, 0700));
    TRY(draft_fence(directory.path));
    TRY(core::write_unsynced(directory.path / k_draft, job_text(word), 0600));
    return job;
}

Result<void> KeptJob::establish(const core::Clock& clock) {
    const auto from = directory_.path / k_draft;
    if (::rename(from.c_str(), directory_.job().c_str()) != 0) {
        return core::fail_errno("rename " + from.string(), errno);
    }
    TRY(load());
    status_.state = State::planned;
    status_.observed = clock.wall();
    return {};
}

// job.json comes last: before it, there is no job, and what is here may be overwritten.
Result<void> KeptJob::write_words(const JobWord& word, const core::Clock& clock) const {
    const auto& directory = directory_.path;
    TRY(core::make_directories(directory, 0700));
    TRY(core::make_directories(directory_.attempt(1).path, 0700));
    TRY(raise_fence(directory, 1, core::Deadline(clock, Duration::zero())));
    return core::write_file(directory_.job(), job_text(word), 0600);
}

KeptJob KeptJob::find(const Path& directory) {
    return KeptJob(directory);
}

Result<void> KeptJob::load() {
    if (!has_epoch()) {
        begin_attempt(TRY(read_fence(directory_.path)));
    }
    if (!spec_text_.empty()) {
        return {};
    }
    auto word = TRY(read_job(directory_));
    if (!word) {
        return fail(Fault::not_found, "job.json is gone", {.where = directory_.path.string()});
    }
    if (word->spec.token != status_.token) {
        return fail(Fault::invalid, "job.json is of another job",
                    {.where = directory_.path.string()});
    }
    spec_ = std::move(word->spec);
    status_.name = spec_.name;
    spec_text_ = job_text({.spec = spec_, .log_bytes = 0});
    return {};
}

void KeptJob::begin_attempt(std::int64_t epoch) {
    files_ = directory_.attempt(epoch);
    status_.epoch = epoch;
    status_.end.reset();
    status_.exit_status.reset();
    status_.started = status_.finished = {};
    status_.reason.clear();
    status_.nodes.clear();
    attempt_.reset();
    distrust_.clear();
}

bool KeptJob::is_for(const JobSpec& spec) const {
    return job_text({.spec = spec, .log_bytes = 0}) == spec_text_;
}

bool KeptJob::is_idle() const {
    if (has_epoch()) {
        return is_free(files_.lock());
    }
    // With an unreadable fence the newest attempt has no number; then all of them count.
    std::error_code trouble;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path, trouble)) {
        if (!is_free(AttemptFiles{entry.path()}.lock())) {
            return false;
        }
    }
    return !trouble;
}

// --- What the files say ----------------------------------------------------------------------

Result<std::optional<AttemptWord>> KeptJob::attempt() {
    if (!attempt_) {
        auto word = read_attempt(files_, status_.token, status_.epoch);
        if (!word) {
            distrust_ = core::to_string(word.error());
            return word;
        }
        attempt_ = std::move(*word);
        distrust_.clear();
        if (attempt_) {
            status_.nodes = {attempt_->host};
        }
    }
    return attempt_;
}

std::optional<Sight> KeptJob::final_words() {
    const auto exit = read_exit(files_, status_.token, status_.epoch);
    if (!exit && exit.error().fault != Fault::invalid) {
        return Sight{.event = Event::words_unreadable, .reason = core::to_string(exit.error())};
    }
    if (exit && *exit) {
        return Sight{.event = Event::over,
                     .end = end_of(**exit),
                     .source = Source::wrapper,
                     .reason = reason_of(**exit),
                     .exit_status = (*exit)->status,
                     .started = (*exit)->started,
                     .finished = (*exit)->finished,
                     .stopped = (*exit)->reason == ExitReason::stopped};
    }
    if (!exit) {
        distrust_ = core::to_string(exit.error());
    }
    const auto verdict = read_verdict(files_);
    if (verdict && *verdict) {
        return Sight{.event = Event::over,
                     .end = (*verdict)->end,
                     .reason = (*verdict)->reason,
                     .started = attempt_ ? attempt_->started : core::WallTime{},
                     .finished = (*verdict)->time};
    }
    return std::nullopt;
}

bool KeptJob::is_cancelled() const {
    return core::path_exists(files_.cancel());
}

bool KeptJob::is_stopping() const {
    return core::path_exists(files_.stopping()) || is_cancelled();
}

Result<std::vector<std::string>> KeptJob::excluded_nodes() const {
    auto nodes = spec_.exclude_nodes;
    if (const auto orders = TRY(read_orders(files_))) {
        nodes.insert(nodes.end(), orders->exclude_nodes.begin(), orders->exclude_nodes.end());
    }
    return nodes;
}

Result<Duration> KeptJob::time_limit() const {
    const auto orders = TRY(read_orders(files_));
    return orders ? orders->time_limit.value_or(spec_.time_limit) : spec_.time_limit;
}

// --- What follows ----------------------------------------------------------------------------

Result<Sight> KeptJob::try_to_conclude(End end, std::string reason, const core::Clock& clock) {
    const VerdictWord verdict{.end = end, .reason = std::move(reason), .time = clock.wall()};
    TRY(core::write_file(files_.verdict(), verdict_text(verdict), 0600));
    return Sight{.event = Event::over,
                 .end = end,
                 .reason = verdict.reason,
                 .started = attempt_ ? attempt_->started : core::WallTime{},
                 .finished = verdict.time};
}

Sight KeptJob::conclude(End end, std::string reason, const core::Clock& clock,
                        const core::Log& log) {
    auto concluded = try_to_conclude(end, reason, clock);
    if (concluded) {
        return std::move(*concluded);
    }
    log.warn("a verdict could not be written",
             {{"job", status_.token.value}, {"error", core::to_string(concluded.error())}});
    return {.event = Event::over,
            .end = end,
            .reason = std::move(reason),
            .started = attempt_ ? attempt_->started : core::WallTime{},
            .finished = clock.wall()};
}

bool KeptJob::apply(const Sight& sight, const core::Clock& clock, const core::Log& log) {
    const auto next = next_state(status_.state, sight.event);
    if (!next) {
        log.error("impossible event of a job", {{"job", status_.token.value},
                                                {"state", std::string(to_string(status_.state))},
                                                {"event", std::string(to_string(sight.event))}});
        return false;
    }
    const bool changed = *next != status_.state;
    status_.state = *next;
    status_.end = *next == State::ended ? sight.end : std::nullopt;
    status_.reason = sight.reason;
    status_.source = *next == State::unknown ? Source::none : sight.source;
    if (*next != State::unknown) {  // its age tells since when nothing is known
        status_.observed = clock.wall();
        status_.started = sight.started;
    }
    if (!sight.nodes.empty()) {
        status_.nodes = sight.nodes;
    }
    status_.exit_status = sight.exit_status;
    status_.finished = sight.finished;
    if (!sight.nodes.empty()) {
        status_.nodes = sight.nodes;
    }
    return changed;
}

// An empty file needs no free block. Whatever its user has put in its place is the wish, too.
Result<void> KeptJob::mark_cancelled() const {
    const core::Fd mark(::open(files_.cancel().c_str(),
                               O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0600));
    if (!mark && !is_cancelled()) {
        return core::fail_errno("create " + files_.cancel().string(), errno);
    }
    return core::sync_directory(files_.path);
}

// The place of the new attempt comes first, because it claims nothing; the fence is the claim.
Result<std::int64_t> KeptJob::resubmit(const Orders& orders, const core::Clock& clock,
                                       Duration wait) {
    const auto next = next_state(status_.state, Event::resubmitted);
    if (!next) {
        return fail(Fault::conflict,
                    fmt::format("job '{}' is {}", status_.token.value, to_string(status_.state)),
                    {.hint = "cancel it, or wait until it has ended"});
    }
    const auto epoch = status_.epoch + 1;
    const auto files = directory_.attempt(epoch);
    TRY(core::make_directories(files.path, 0700));
    TRY(core::write_file(files.orders(), orders_text(orders), 0600));
    TRY(raise_fence(directory_.path, epoch, core::Deadline(clock, wait)));
    begin_attempt(epoch);
    status_.state = *next;
    status_.source = Source::scheduler;
    status_.observed = clock.wall();
    return epoch;
}

}  // namespace sust::cluster
