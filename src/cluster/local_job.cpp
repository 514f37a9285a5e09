#include "cluster/local_job.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/confinement.h"
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
    30s;                                // until a verdict that could not be written is tried again
constexpr Duration k_last_words = 10s;  // from the end of the grace to that of the wrapper
constexpr Duration k_longest = std::chrono::hours(24 * 365);
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
        give_back();
    }
    return changed;
}

Sight LocalJob::see() {
    const auto loaded = kept_.load();
    if (kept_.has_epoch() || owner()) {
        recall_share();
    } else {
        context_.shares.doubt(status().token);
    }
    if (!loaded && !kept_.has_epoch()) {
        return unreadable(loaded.error());
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
    const auto all = list_processes();
    if (!all) {
        return unreadable(all.error());
    }
    auto left = leftovers_of(attempt_ ? attempt_->child : core::ProcessId{},
                             attempt_mark(kept_.files().path), *all);
    if (owner()) {
        left = only_of(owner()->uid, std::move(left));
    }
    if (!ending_) {
        ending_.emplace(context_.clock, k_ending);
    }
    if (!left.empty() && !ending_->passed()) {
        kill_all(left);
        return {.event = Event::stop_begun,
                .reason = "its wrapper is gone; what it left is being ended",
                .started = attempt_ ? attempt_->started : core::WallTime{}};
    }
    std::string reason = kept_.distrust().empty()
                             ? "its wrapper ended without a word (killed, or out of memory)"
                             : "its wrapper is gone, and " + kept_.distrust();
    if (!left.empty()) {
        reason += fmt::format("; {} of its processes cannot be ended", left.size());
    }
    return kept_.conclude(End::vanished, std::move(reason), context_.clock, context_.log);
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
    if (auto waits = take_share()) {
        return *waits;
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

// --- Its share of the machine ----------------------------------------------------------------

Claim LocalJob::claim() const {
    const auto& spec = kept_.spec();
    const auto limit = kept_.time_limit().value_or(spec.time_limit);
    std::error_code trouble;
    const auto written = std::filesystem::last_write_time(kept_.directory().job(), trouble);
    return {.token = status().token,
            .need = amount_of(spec.shape),
            .priority = spec.priority,
            .order = trouble ? 0 : written.time_since_epoch().count(),
            .longest =
                std::min(limit, k_longest) + std::min(spec.stop_grace, k_longest) + k_last_words};
}

// What is in its directory a principal can change, and so have what others wait for.
Path LocalJob::share_file() const {
    return owner() ? context_.shares_of_others / (status().token.value + ".json")
                   : kept_.files().share();
}

// A file of ours that is read or written while we act as the owner of the job.
Result<core::ActAs> LocalJob::act_as_ourselves() const {
    return core::ActAs::begin(owner() ? std::optional(core::Identity{.name = "root"})
                                      : std::nullopt);
}

Result<void> LocalJob::keep_share(const Share& share) const {
    // The wrapper's first: what the next controller finds in ours, the wrapper has.
    TRY(core::write_file(kept_.files().share(), share_text(share), 0600));
    if (owner()) {
        const auto acting = TRY(act_as_ourselves());
        TRY(core::make_directories(context_.shares_of_others, 0700));
        TRY(core::write_file(share_file(), share_text(share), 0600));
    }
    return {};
}

// What it may still take of the machine's time, if an earlier controller began it.
Duration LocalJob::longest_from_now() {
    if (!kept_.has_epoch()) {
        return k_longest;
    }
    const auto attempt = kept_.attempt();
    return claim().longest - (attempt && *attempt ? context_.clock.wall() - (*attempt)->started
                                                  : core::Duration::zero());
}

// What an earlier controller gave it, before anybody is given anything.
void LocalJob::recall_share() {
    if (recalled_) {
        return;
    }
    const auto& token = status().token;
    const auto share = [&]() -> Result<std::optional<Share>> {
        const auto acting = TRY(act_as_ourselves());
        return read_share(share_file());
    }();
    if (!share) {
        context_.shares.doubt(token);
        return;
    }
    recalled_ = true;
    context_.shares.leave(token);  // no doubt any more
    if (*share) {
        share_ = **share;
        context_.shares.keep(token, *share_, context_.clock.monotonic() + longest_from_now());
    }
}

// Nothing if it has one. It is on disk before the wrapper reads it, and the next controller.
std::optional<Sight> LocalJob::take_share() {
    if (share_) {
        return {};
    }
    const auto wanted = claim();
    Sight waits{.event = Event::waiting};
    if (context_.opening && wanted.need != Amount{}) {
        context_.shares.enter(wanted);
        waits.reason = "its turn is found out";
        return waits;
    }
    auto share = context_.shares.ask(wanted, context_.clock.monotonic(), waits.reason);
    if (!share) {
        return waits;
    }
    // A principal may not move its processes into a group of ours.
    share->cgroup = share->memory_bytes > 0 && !owner() ? context_.cgroup : Path();
    if (*share != Share{}) {
        const auto kept = keep_share(*share);
        if (!kept) {
            context_.shares.leave(wanted.token);
            waits.reason = core::to_string(kept.error());
            return waits;
        }
    }
    share_ = std::move(*share);
    return {};
}

void LocalJob::give_back() {
    context_.shares.leave(status().token);
    if (const auto acting = act_as_ourselves(); owner() && acting) {
        std::error_code ignored;  // what stays is read by nobody: a token is one job
        std::filesystem::remove(share_file(), ignored);
    }
    if (share_ && !share_->cgroup.empty() && attempt_) {  // of a wrapper that was killed
        (void)::rmdir(
            (share_->cgroup / group_name(status().token, status().epoch, attempt_->wrapper.pid))
                .c_str());
    }
    wrapper_.reset();
    child_.reset();
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
    const auto epoch = TRY(kept_.resubmit(orders, context_.clock));
    attempt_.reset();
    wrapper_.reset();
    share_.reset();
    recalled_ = false;
    started_ = 0;
    tries_ = 0;
    last_failure_.clear();
    ending_.reset();
    return epoch;
}

}  // namespace sust::cluster
