#include "cluster/local_job.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/processes.h"
#include "cluster/wrapper.h"
#include "core/plain_file.h"
#include "core/text.h"

namespace sust::cluster {

using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr int k_tries_max = 5;  // starts of a wrapper that ends before its command began
constexpr Duration k_wait_for_disk =
    30s;                            // until a verdict that could not be written is tried again
constexpr Duration k_ending = 10s;  // processes stuck in the kernel may not hold up a verdict
constexpr std::size_t k_wrapper_log_max = 256 << 10;

bool has_ended(const core::Fd& pidfd) {
    pollfd wanted{pidfd.get(), POLLIN, 0};
    return ::poll(&wanted, 1, 0) > 0;
}

Sight unreadable(const core::Error& error) {
    return {.event = Event::words_unreadable, .reason = core::to_string(error)};
}

// Why a wrapper ended before its command began: its last line, or what may have swallowed it.
std::string early_end(const AttemptFiles& files) {
    const auto text = core::read_plain_file_if_any(files.wrapper_log(), k_wrapper_log_max)
                          .value_or(std::nullopt)
                          .value_or("");
    const auto trimmed = core::trim(text);
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

bool LocalJob::is_starting() const {
    return std::find(context_.wrappers.begin(), context_.wrappers.end(), started_) !=
           context_.wrappers.end();
}

// --- What is seen ----------------------------------------------------------------------------

bool LocalJob::look() {
    const bool changed = kept_.apply(see(), context_.clock, context_.log);
    if (is_final(status().state)) {
        share_.give_back(attempt_);
        wrapper_.reset();
        child_.reset();
    }
    return changed;
}

Sight LocalJob::see() {
    const auto loaded = kept_.load();
    share_.recall();
    if (!loaded && !kept_.has_epoch()) {
        return unreadable(loaded.error());
    }
    if (share_.is_overdue()) {
        return see_overdue();
    }
    if (auto sight = see_wrapper()) {
        return *sight;
    }
    if (auto sight = kept_.final_words()) {
        return *sight;
    }
    return attempt_ || !kept_.distrust().empty() ? see_abandoned() : see_unstarted();
}

// Nothing if no wrapper lives, and none is about to.
std::optional<Sight> LocalJob::see_wrapper() {
    auto word = kept_.attempt();
    if (!word) {
        return word.error().fault == Fault::invalid && kept_.is_idle()
                   ? std::nullopt
                   : std::optional<Sight>(unreadable(word.error()));
    }
    attempt_ = std::move(*word);
    if (!attempt_) {
        return is_starting() || !kept_.is_idle()
                   ? std::optional<Sight>({.event = Event::being_started})
                   : std::nullopt;
    }
    if (!wrapper_ && attempt_->wrapper.boot_id == context_.boot_id) {
        auto pidfd = core::open_pidfd(attempt_->wrapper);
        if (!pidfd) {
            return unreadable(pidfd.error());
        }
        wrapper_ = *pidfd ? std::move(**pidfd) : core::Fd();
        if (wrapper_ && !child_) {
            wake_at_end_of(wrapper_);
        }
    }
    if (!wrapper_ || has_ended(wrapper_)) {
        return std::nullopt;
    }
    return Sight{.event = kept_.is_stopping() ? Event::stop_begun : Event::attempt_written,
                 .started = attempt_->started};
}

// The command may have run, its wrapper is gone, and there is no word of it that can be believed.
Sight LocalJob::see_abandoned() {
    if (attempt_ && attempt_->wrapper.boot_id != context_.boot_id) {
        return kept_.conclude(End::node_lost, "the machine was restarted while the job ran",
                              context_.clock, context_.log);
    }
    return end_rests(End::vanished,
                     kept_.distrust().empty()
                         ? "its wrapper ended without a word (killed, or out of memory)"
                         : "its wrapper is gone, and " + kept_.distrust());
}

// Its user may keep the wrapper from ending, or say what they like about it; not what others wait
// for.
Sight LocalJob::see_overdue() {
    if (auto sight = kept_.final_words()) {
        return *sight;
    }
    return end_rests(End::time_limit, "its time is over, and its wrapper has not ended it");
}

// Ends what is left of the attempt's processes, then concludes.
Sight LocalJob::end_rests(End end, std::string reason) {
    const auto all = list_processes();
    if (!all) {
        return unreadable(all.error());
    }
    auto left = leftovers_of(attempt_ ? attempt_->child : core::ProcessId{},
                             attempt_mark(kept_.files().path), *all);
    if (attempt_ && wrapper_ && !has_ended(wrapper_)) {
        left.push_back(attempt_->wrapper);
    }
    if (owner()) {
        left = only_of(owner()->uid, std::move(left));
    }
    if (!ending_) {
        ending_.emplace(context_.clock, k_ending);
    }
    if (!left.empty() && !ending_->passed()) {
        kill_all(left);
        return {.event = Event::stop_begun,
                .reason = reason + "; what it left is being ended",
                .started = attempt_ ? attempt_->started : core::WallTime{}};
    }
    if (!left.empty()) {
        reason += fmt::format("; {} of its processes cannot be ended", left.size());
    }
    return kept_.conclude(end, std::move(reason), context_.clock, context_.log);
}

// Whether the attempt may be started at all, decided while no wrapper can begin.
std::optional<Sight> LocalJob::see_permission() {
    const auto& files = kept_.files();
    const auto lock = core::FileLock::try_acquire(files.lock());
    if (!lock && lock.error().fault == Fault::not_found &&
        core::path_exists(kept_.directory().job())) {
        return kept_.conclude(End::vanished,
                              "the directory of its attempt was removed: " + files.path.string(),
                              context_.clock, context_.log);
    }
    if (!lock) {
        return unreadable(lock.error());
    }
    if (!*lock || core::path_exists(files.attempt())) {
        return Sight{.event = Event::being_started};  // it began after we looked: look again
    }
    if (kept_.is_cancelled()) {
        return kept_.conclude(End::cancelled, "cancelled before the command was started",
                              context_.clock, context_.log);
    }
    if (const auto loaded = kept_.load(); !loaded) {
        return unreadable(loaded.error());
    }
    return std::nullopt;
}

Sight LocalJob::see_unstarted() {
    if (auto sight = see_permission()) {
        return *sight;
    }
    if (context_.hold_reason) {
        return {.event = Event::waiting, .reason = "the node is held: " + *context_.hold_reason};
    }
    if (auto obstacle = share_.take()) {
        return {.event = Event::waiting, .reason = std::move(*obstacle)};
    }
    if (started_ != 0) {
        last_failure_ = early_end(kept_.files());
        started_ = 0;
    }
    if (context_.clock.monotonic() < next_try_) {
        return {.event = Event::waiting, .reason = last_failure_};
    }
    if (tries_ == k_tries_max) {
        return give_up();
    }
    const auto begun = start();
    next_try_ = context_.clock.monotonic() + context_.start_wait * (1 << (2 * tries_));
    ++tries_;
    if (!begun) {
        last_failure_ = core::to_string(begun.error());
    }
    return {.event = begun ? Event::being_started : Event::waiting, .reason = last_failure_};
}

// A job that was told to have failed must not start after all, so the verdict comes first.
Sight LocalJob::give_up() {
    auto concluded =
        kept_.try_to_conclude(End::start_failed,
                              fmt::format("the wrapper could not start the command in {} tries: {}",
                                          k_tries_max, last_failure_),
                              context_.clock);
    if (!concluded) {
        next_try_ = context_.clock.monotonic() + k_wait_for_disk;
        return {.event = Event::waiting, .reason = core::to_string(concluded.error())};
    }
    return std::move(*concluded);
}

// Once: a process that has ended would go on waking us until all of its job is seen.
void LocalJob::wake_at_end_of(const core::Fd& process) {
    epoll_event event{.events = EPOLLIN | EPOLLONESHOT, .data = {.fd = process.get()}};
    if (::epoll_ctl(context_.wake.get(), EPOLL_CTL_ADD, process.get(), &event) != 0) {
        context_.log.warn("the end of a job will be seen later than it could be",
                          {{"job", status().token.value}});
    }
}

// --- What is done ----------------------------------------------------------------------------

// Nobody: it starts as ourselves. denied: the list does not have its owner any more.
Result<const Principal*> LocalJob::starts_as() const {
    const auto* who = owner() ? context_.principals.of(owner()->uid) : nullptr;
    if (owner() && who == nullptr) {
        return core::fail(Fault::denied,
                          fmt::format("{} is no principal of this machine any more", owner()->name),
                          {.where = kept_.directory().path.string(),
                           .hint = "list it again: [local] principals in backends.toml"});
    }
    return who;
}

// The wrapper leads a session of its own: it outlives this process and whoever started that.
Result<void> LocalJob::start() {
    const auto* who = TRY(starts_as());
    const auto path = kept_.files().wrapper_log();
    // Whoever runs the job may have put a link or a pipe in its place.
    const core::Fd log(::open(
        path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0600));
    if (!log) {
        return core::fail_errno("open " + path.string(), errno);
    }
    core::Command command{
        .argv = {context_.agent.string(), "job", "--directory", kept_.directory().path.string(),
                 "--epoch", std::to_string(status().epoch)},
        .workdir = "/",
        .out = log.get(),
        .err = log.get(),
        .new_session = true,
        .identity = owner()};
    if (who != nullptr) {
        command.environment = environment_of(*who, {});
    }
    auto child = TRY(core::Child::spawn(command));
    started_ = child.pid();
    child_ = core::Fd(::fcntl(child.pidfd(), F_DUPFD_CLOEXEC, 0));
    if (child_) {
        wake_at_end_of(child_);
    }
    context_.wrappers.push_back(started_);
    child.detach();
    return {};
}

Result<void> LocalJob::stop() {
    if (is_starting()) {
        ::kill(started_, SIGTERM);  // not reaped yet, so the number is still its own
    } else if (attempt_ && attempt_->wrapper.boot_id == context_.boot_id &&
               (!owner() || !only_of(owner()->uid, {attempt_->wrapper}).empty())) {
        TRY(core::send_signal(attempt_->wrapper, SIGTERM));
    }
    return {};
}

Result<std::int64_t> LocalJob::resubmit(const Orders& orders) {
    TRY(starts_as());
    const auto epoch = TRY(begin_another(orders, context_.clock));
    attempt_.reset();
    wrapper_.reset();
    share_.renew();
    started_ = 0;
    tries_ = 0;
    last_failure_.clear();
    ending_.reset();
    return epoch;
}

}  // namespace sust::cluster
