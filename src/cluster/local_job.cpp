#include "cluster/local_job.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/fence.h"
#include "cluster/processes.h"
#include "cluster/wrapper.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr int k_tries_max = 5;  // starts of a wrapper that ends before its command began
constexpr Duration k_wait_for_disk =
    30s;                               // until a verdict that could not be written is tried again
constexpr Duration k_ending = 10s;     // processes stuck in the kernel may not hold up a verdict
constexpr Duration k_fence_wait = 2s;  // a commit under the fence takes milliseconds
constexpr std::size_t k_wrapper_log_max = 256 << 10;

bool has_ended(const core::Fd& pidfd) {
    pollfd wanted{pidfd.get(), POLLIN, 0};
    return ::poll(&wanted, 1, 0) > 0;
}

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
        case ExitReason::cancelled:
        case ExitReason::fenced:
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
        case ExitReason::exited:
            return word.status == 0 ? End::completed : End::failed;
        case ExitReason::signalled:
        case ExitReason::fenced:
            break;
    }
    return End::failed;
}

// Why a wrapper ended before its command began: its last line, or what may have swallowed it.
std::string early_end(const AttemptFiles& files) {
    const auto text = core::read_file(files.wrapper_log(), k_wrapper_log_max);
    const auto trimmed = text ? core::trim(*text) : std::string_view();
    if (trimmed.empty()) {
        const auto free = core::free_bytes(files.path);
        return fmt::format(
            "the wrapper ended without a word before the command began ({} free in {})",
            free ? core::format_size(*free) : "?", files.path.string());
    }
    const auto begin = trimmed.rfind('\n');
    return core::printable(begin == std::string_view::npos ? trimmed : trimmed.substr(begin + 1),
                           400);
}

}  // namespace

void reap_wrappers(LocalContext& context) {
    std::erase_if(context.wrappers, [](pid_t pid) {
        const pid_t got = ::waitpid(pid, nullptr, WNOHANG);
        return got == pid || (got < 0 && errno == ECHILD);
    });
}

Result<LocalJob> LocalJob::create(const JobSpec& spec, const LocalContext& context) {
    LocalJob job(context.options.jobs / spec.token.value);
    auto made = job.write_words(spec, context);
    if (made) {
        made = job.load();
    }
    if (!made) {
        (void)core::remove_tree(job.directory_.path);  // else the next controller does
        return tl::unexpected(std::move(made).error());
    }
    job.status_.state = State::planned;
    job.status_.observed = context.clock.wall();
    return job;
}

// job.json comes last: before it, there is no job, and what is here may be overwritten.
Result<void> LocalJob::write_words(const JobSpec& spec, const LocalContext& context) const {
    const auto& directory = directory_.path;
    TRY(core::make_directories(directory, 0700));
    TRY(core::make_directories(directory_.attempt(1).path, 0700));
    TRY(raise_fence(directory, 1, core::Deadline(context.clock, k_fence_wait)));
    const JobWord word{.spec = spec, .log_bytes = context.options.log_bytes};
    TRY(core::write_file(directory_.job(), job_text(word), 0600));
    return core::sync_directory(context.options.jobs);
}

LocalJob LocalJob::find(const Path& directory) {
    LocalJob job(directory);
    job.status_.token.value = directory.filename();
    return job;
}

Result<void> LocalJob::load() {
    if (status_.epoch == 0) {
        begin_attempt(TRY(read_fence(directory_.path)));
    }
    auto word = TRY(read_job(directory_));
    if (!word) {
        return fail(Fault::not_found, "job.json is gone", {.where = directory_.path.string()});
    }
    status_.token = word->spec.token;
    status_.name = word->spec.name;
    spec_text_ = job_text({.spec = std::move(word->spec), .log_bytes = 0});
    return {};
}

void LocalJob::begin_attempt(std::int64_t epoch) {
    files_ = directory_.attempt(epoch);
    status_.epoch = epoch;
    status_.end.reset();
    status_.exit_status.reset();
    status_.started = status_.finished = {};
    status_.reason.clear();
    attempt_.reset();
    distrusted_.clear();
    wrapper_.reset();
    started_ = 0;
    tries_ = 0;
    last_failure_.clear();
    ending_.reset();
}

bool LocalJob::is_for(const JobSpec& spec) const {
    return job_text({.spec = spec, .log_bytes = 0}) == spec_text_;
}

bool LocalJob::is_idle() const {
    if (status_.epoch > 0) {
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

bool LocalJob::is_starting(const LocalContext& context) const {
    return std::find(context.wrappers.begin(), context.wrappers.end(), started_) !=
           context.wrappers.end();
}

// --- What is seen ----------------------------------------------------------------------------

bool LocalJob::look(LocalContext& context) {
    return !is_final(status_.state) && apply(see(context), context);
}

LocalJob::Sight LocalJob::see(LocalContext& context) {
    // Without the epoch nothing can be known; without job.json only nothing can be started.
    const auto loaded = spec_text_.empty() ? load() : Result<void>();
    if (!loaded && status_.epoch == 0) {
        return {.event = Event::words_unreadable, .reason = core::to_string(loaded.error())};
    }
    if (auto sight = see_wrapper(context)) {
        return *sight;
    }
    if (auto sight = see_final_words()) {
        return *sight;
    }
    return attempt_ || !distrusted_.empty() ? see_abandoned(context) : see_unstarted(context);
}

// Nothing if no wrapper lives, and none is about to.
std::optional<LocalJob::Sight> LocalJob::see_wrapper(LocalContext& context) {
    if (!attempt_) {
        auto word = read_attempt(files_, status_.token, status_.epoch);
        if (!word) {
            distrusted_ = core::to_string(word.error());
            return word.error().fault == Fault::invalid && is_idle()
                       ? std::nullopt
                       : std::optional<Sight>(
                             {.event = Event::words_unreadable, .reason = distrusted_});
        }
        attempt_ = std::move(*word);
        distrusted_.clear();
    }
    if (!attempt_) {
        return is_starting(context) || !is_idle()
                   ? std::optional<Sight>({.event = Event::being_started})
                   : std::nullopt;
    }
    if (!wrapper_ && attempt_->wrapper.boot_id == context.boot_id) {
        auto pidfd = core::open_pidfd(attempt_->wrapper);
        if (!pidfd) {
            return Sight{.event = Event::words_unreadable,
                         .reason = core::to_string(pidfd.error())};
        }
        wrapper_ = *pidfd ? std::move(**pidfd) : core::Fd();
    }
    if (!wrapper_ || has_ended(wrapper_)) {
        return std::nullopt;
    }
    const bool stopping =
        core::path_exists(files_.stopping()) || core::path_exists(files_.cancel());
    return Sight{.event = stopping ? Event::stop_begun : Event::attempt_written,
                 .started = attempt_->started};
}

// Asked only after the wrapper was seen to be gone, so that nothing can be said in between.
std::optional<LocalJob::Sight> LocalJob::see_final_words() {
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
                     .finished = (*exit)->finished};
    }
    if (!exit) {
        distrusted_ = core::to_string(exit.error());
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

// The command may have run, its wrapper is gone, and there is no word of it that can be believed.
LocalJob::Sight LocalJob::see_abandoned(LocalContext& context) {
    VerdictWord verdict{.end = End::vanished, .time = context.clock.wall()};
    if (attempt_ && attempt_->wrapper.boot_id != context.boot_id) {
        verdict.end = End::node_lost;
        verdict.reason = "the machine was restarted while the job ran";
        return conclude(verdict, context);
    }
    const auto all = list_processes();
    if (!all) {
        return {.event = Event::words_unreadable, .reason = core::to_string(all.error())};
    }
    const auto left = leftovers_of(attempt_ ? attempt_->child : core::ProcessId{},
                                   attempt_mark(files_.path), *all);
    if (!ending_) {
        ending_.emplace(context.clock, k_ending);
    }
    if (!left.empty() && !ending_->passed()) {
        kill_all(left);
        return {.event = Event::attempt_written,
                .reason = "its wrapper is gone; what it left is being ended",
                .started = attempt_ ? attempt_->started : core::WallTime{}};
    }
    verdict.reason = distrusted_.empty()
                         ? "its wrapper ended without a word (killed, or out of memory)"
                         : "its wrapper is gone, and " + distrusted_;
    if (!left.empty()) {
        verdict.reason += fmt::format("; {} of its processes cannot be ended", left.size());
    }
    return conclude(verdict, context);
}

// Whether the attempt may be started at all, decided while no wrapper can begin.
std::optional<LocalJob::Sight> LocalJob::see_permission(LocalContext& context) {
    const auto lock = core::FileLock::try_acquire(files_.lock());
    if (!lock && lock.error().fault == Fault::not_found && core::path_exists(directory_.job())) {
        return conclude(
            {.end = End::vanished,
             .reason = "the directory of its attempt was removed: " + files_.path.string(),
             .time = context.clock.wall()},
            context);
    }
    if (!lock) {
        return Sight{.event = Event::words_unreadable, .reason = core::to_string(lock.error())};
    }
    if (!*lock || core::path_exists(files_.attempt())) {
        return Sight{.event = Event::being_started};  // it began after we looked: look again
    }
    if (core::path_exists(files_.cancel())) {
        return conclude({.end = End::cancelled,
                         .reason = "cancelled before the command was started",
                         .time = context.clock.wall()},
                        context);
    }
    if (const auto loaded = spec_text_.empty() ? load() : Result<void>(); !loaded) {
        return Sight{.event = Event::words_unreadable, .reason = core::to_string(loaded.error())};
    }
    return std::nullopt;
}

LocalJob::Sight LocalJob::see_unstarted(LocalContext& context) {
    if (auto sight = see_permission(context)) {
        return *sight;
    }
    if (context.hold_reason) {
        return {.event = Event::waiting,
                .reason = "the node is held: " + *context.hold_reason};
    }
    if (started_ != 0) {
        last_failure_ = early_end(files_);
        started_ = 0;
    }
    if (context.clock.monotonic() >= next_try_) {
        if (tries_ == k_tries_max) {
            return give_up(context);
        }
        const auto started = start(context);
        last_failure_ = started ? last_failure_ : core::to_string(started.error());
        next_try_ = context.clock.monotonic() + context.options.start_wait * (1 << (2 * tries_));
        ++tries_;
        if (started) {
            return {.event = Event::being_started, .reason = last_failure_};
        }
    }
    return {.event = Event::waiting, .reason = last_failure_};
}

// A job that was told to have failed must not start after all, so the verdict comes first.
LocalJob::Sight LocalJob::give_up(LocalContext& context) {
    const VerdictWord verdict{
        .end = End::start_failed,
        .reason = fmt::format("the wrapper could not start the command in {} tries: {}",
                              k_tries_max, last_failure_),
        .time = context.clock.wall()};
    if (auto written = core::write_file(files_.verdict(), verdict_text(verdict), 0600); !written) {
        --tries_;
        next_try_ = context.clock.monotonic() + k_wait_for_disk;
        return {.event = Event::waiting, .reason = core::to_string(written.error())};
    }
    return {.event = Event::over,
            .end = verdict.end,
            .reason = verdict.reason,
            .finished = verdict.time};
}

// A verdict that any controller would reach again from the same files; writing it keeps its time.
LocalJob::Sight LocalJob::conclude(VerdictWord verdict, LocalContext& context) {
    if (auto written = core::write_file(files_.verdict(), verdict_text(verdict), 0600); !written) {
        context.log.warn(
            "a verdict could not be written",
            {{"job", status_.token.value}, {"error", core::to_string(written.error())}});
    }
    return {.event = Event::over,
            .end = verdict.end,
            .reason = std::move(verdict.reason),
            .started = attempt_ ? attempt_->started : core::WallTime{},
            .finished = verdict.time};
}

// --- What is done ----------------------------------------------------------------------------

// The wrapper leads a session of its own: it outlives this process and whoever started that.
Result<void> LocalJob::start(LocalContext& context) {
    const auto path = files_.wrapper_log();
    const core::Fd log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log) {
        return core::fail_errno("open " + path.string(), errno);
    }
    auto child = TRY(core::Child::spawn(
        {.argv = {context.options.agent.string(), "job", "--directory", directory_.path.string(),
                  "--epoch", std::to_string(status_.epoch)},
         .workdir = "/",
         .out = log.get(),
         .err = log.get(),
         .new_session = true}));
    started_ = child.pid();
    context.wrappers.push_back(started_);
    child.detach();
    return {};
}

bool LocalJob::apply(const Sight& sight, LocalContext& context) {
    const auto next = next_state(status_.state, sight.event);
    if (!next) {
        context.log.error("impossible event of a job",
                          {{"job", status_.token.value},
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
        status_.observed = context.clock.wall();
        status_.started = sight.started;
    }
    status_.exit_status = sight.exit_status;
    status_.finished = sight.finished;
    if (is_final(*next)) {
        wrapper_.reset();
    }
    return changed;
}

// The wish is on disk before anybody hears of it; an empty file needs no free block.
Result<void> LocalJob::cancel(LocalContext& context) {
    if (is_final(status_.state) || status_.epoch == 0) {
        return {};
    }
    const core::Fd mark(::open(files_.cancel().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!mark) {
        return core::fail_errno("create " + files_.cancel().string(), errno);
    }
    TRY(core::sync_directory(files_.path));
    if (is_starting(context)) {
        ::kill(started_, SIGTERM);  // not reaped yet, so the number is still its own
    } else if (attempt_ && attempt_->wrapper.boot_id == context.boot_id) {
        TRY(core::send_signal(attempt_->wrapper, SIGTERM));
    }
    return {};
}

// The place of the new attempt comes first, because it claims nothing; the fence is the claim.
Result<std::int64_t> LocalJob::resubmit(LocalContext& context) {
    const auto next = next_state(status_.state, Event::resubmitted);
    if (!next) {
        return fail(Fault::conflict,
                    fmt::format("job '{}' is {}", status_.token.value, to_string(status_.state)),
                    {.hint = "cancel it, or wait until it has ended"});
    }
    const auto epoch = status_.epoch + 1;
    TRY(core::make_directories(directory_.attempt(epoch).path, 0700));
    TRY(raise_fence(directory_.path, epoch, core::Deadline(context.clock, k_fence_wait)));
    begin_attempt(epoch);
    status_.state = *next;
    status_.source = Source::scheduler;
    status_.observed = context.clock.wall();
    return epoch;
}

}  // namespace sust::cluster
