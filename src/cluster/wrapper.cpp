#include "cluster/wrapper.h"

#include <algorithm>
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/child_plan.h"
#include "cluster/command_tree.h"
#include "cluster/exit_slip.h"
#include "cluster/fence.h"
#include "cluster/inputs.h"
#include "cluster/job_log.h"
#include "cluster/machine.h"
#include "cluster/notice.h"
#include "cluster/place.h"
#include "cluster/signals.h"
#include "cluster/words.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::MonoTime;
using namespace std::chrono_literals;

namespace {

constexpr auto k_same_moment = 500ms;
constexpr auto k_tick = 1s;          // cancel file, fence, log size
constexpr auto k_heartbeat = 5s;     // five missed ones are a silent wrapper to a remote reader
constexpr auto k_kill_again = 1s;    // SIGKILL is repeated: a fork may have slipped through
constexpr auto k_other_nodes = 5s;   // until a file is seen there, and a starter hears of ends
constexpr int k_ticks_homeless = 3;  // a directory that stays away was removed
constexpr int k_status_own = 125;    // the wrapper's own failure before the start
constexpr int k_status_cancelled = 143;

enum class Stop { none, outside, cancelled, time_limit, fenced, homeless };

class Wrapper {
  public:
    Wrapper(const WrapperOptions& options, const core::Clock& clock, const core::Log& log)
        : options_(options),
          clock_(clock),
          log_(log),
          files_(JobFiles{options.job_directory}.attempt(options.epoch)) {}

    Result<int> run();

  private:
    Result<void> prepare();
    Result<void> begin();
    Result<int> ended_before_start(ExitReason reason, int status, std::string detail = {});
    Path workdir() const { return job_.spec.workdir.empty() ? files_.path : job_.spec.workdir; }
    bool is_cancelled() const;
    std::optional<int> wait_for_others();
    Result<void> hand_in(const ExitWord& word);
    Result<ChildPlan> plan_child();

    void watch();
    void handle(int signal);
    void tick();
    void beat();
    MonoTime notice_time(MonoTime start) const;
    void notify();
    void stop(Stop cause, int signal);
    bool is_apart() const;
    void kill_everything();
    void hear_what_ended_it();
    void end_leftovers();
    core::Duration until_next() const;

    std::string node_name() const;
    ExitWord exit_word() const;
    void tidy_workdir() const;
    int finish();

    const WrapperOptions& options_;
    const core::Clock& clock_;
    const core::Log& log_;
    AttemptFiles files_;
    JobWord job_;
    std::optional<core::FileLock> lock_;
    std::optional<SignalSource> signals_;
    std::optional<ExitSlip> slip_;
    std::optional<JobLog> out_;
    std::optional<JobLog> err_;
    std::optional<CommandTree> command_;
    Confinement limits_;
    AttemptWord attempt_;

    bool over_ = false;  // this attempt had its run in this pod
    int leftovers_ = 0;
    Stop stop_ = Stop::none;
    bool starter_asked_ = false;
    int homeless_ticks_ = 0;
    MonoTime time_is_up_;
    MonoTime notice_at_ = MonoTime::max();
    MonoTime kill_at_ = MonoTime::max();
    MonoTime next_tick_;
    MonoTime next_beat_;
};

Result<int> Wrapper::run() {
    TRY(prepare());
    if (over_) {
        return options_.pod->stay(files_, job_.spec.token, options_.epoch, *signals_);
    }
    const auto stopped_by = wait_for_others();
    if (is_cancelled()) {
        return ended_before_start(ExitReason::cancelled, k_status_cancelled);
    }
    if (stopped_by) {
        return ended_before_start(ExitReason::stopped, 128 + *stopped_by);
    }
    if (const auto placed =
            place_inputs(job_.spec.inputs, job_.spec.outputs, options_.job_directory, workdir(),
                         options_.pod ? OtherJobs::unseen : OtherJobs::seen);
        !placed) {
        return ended_before_start(ExitReason::cannot_start, k_status_own,
                                  core::to_string(placed.error()));
    }
    TRY(begin());
    watch();
    hear_what_ended_it();
    end_leftovers();
    return finish();
}

// Everything that can be found wrong before a process of the job exists.
Result<void> Wrapper::prepare() {
    signals_ = TRY(SignalSource::open());
    if (options_.pod) {
        TRY(options_.pod->unpack(options_.job_directory, options_.epoch, clock_));
    }
    auto job = TRY(read_job({options_.job_directory}));
    if (!job) {
        return fail(Fault::not_found, "there is no job.json",
                    {.where = options_.job_directory.string()});
    }
    job_ = std::move(*job);
    if (const auto orders = TRY(read_orders(files_))) {
        job_.spec.time_limit = orders->time_limit.value_or(job_.spec.time_limit);
    }
    const auto newest = TRY(read_fence(options_.job_directory));
    if (newest != options_.epoch) {
        return fail(Fault::conflict,
                    fmt::format("attempt {} may not start: attempt {} took its place",
                                options_.epoch, newest));
    }
    TRY(core::make_directories(files_.path, 0700));
    lock_ = TRY(core::FileLock::try_acquire(files_.lock()));
    if (!lock_) {
        return fail(Fault::conflict, "another wrapper has this attempt");
    }
    for (const auto& path : {files_.attempt(), files_.exit(), files_.verdict()}) {
        if (core::path_exists(path) && options_.pod) {
            over_ = true;  // a container that is started again, as some controllers have it
        } else if (core::path_exists(path)) {
            return fail(Fault::conflict, "this attempt has been started before",
                        {.where = path.string()});
        }
    }
    if (!over_) {
        slip_ = TRY(ExitSlip::reserve(files_));
    }
    return {};
}

Result<int> Wrapper::ended_before_start(ExitReason reason, int status, std::string detail) {
    if (detail.empty()) {
        detail = std::string(to_string(reason)) + " before the command was started";
    }
    const ExitWord word{.token = job_.spec.token,
                        .epoch = options_.epoch,
                        .status = status,
                        .reason = reason,
                        .detail = std::move(detail),
                        .started = clock_.wall(),
                        .finished = clock_.wall()};
    TRY(hand_in(word));
    return status;
}

bool Wrapper::is_cancelled() const {
    if (options_.pod) {
        options_.pod->bring_cancel(files_);
    }
    return core::path_exists(files_.cancel());
}

// Of several pods none begins before all are there; the pod's own deadline bounds the wait. The
// signal that ended it, if one did.
std::optional<int> Wrapper::wait_for_others() {
    while (options_.pod && job_.spec.shape.nodes > 1 && options_.pod->head().empty() &&
           !is_cancelled()) {
        const auto signal = signals_->next(200ms);
        if (signal && (*signal == SIGTERM || *signal == SIGINT)) {
            return signal;
        }
    }
    return std::nullopt;
}

Result<ChildPlan> Wrapper::plan_child() {
    const auto share = TRY(read_share(files_.share())).value_or(Share{});
    limits_ =
        TRY(Confinement::make(share, group_name(job_.spec.token, options_.epoch, ::getpid())));
    auto plan = TRY(plan_command(job_, options_, files_, node_name(), share.gpus));
    plan.limits = &limits_;
    if (options_.pod) {  // the container's streams
        plan.out = STDOUT_FILENO;
        plan.err = STDERR_FILENO;
        return plan;
    }
    out_ = TRY(JobLog::open(files_.out(), job_.log_bytes));
    err_ = TRY(JobLog::open(files_.err(), job_.log_bytes));
    plan.out = out_->fd();
    plan.err = err_->fd();
    return plan;
}

// attempt.json names the child before the child is let through to the command.
Result<void> Wrapper::begin() {
    const auto plan = TRY(plan_child());
    command_ = TRY(CommandTree::fork(plan));
    const auto wrapper = TRY(core::identify(::getpid()));
    const auto child = TRY(core::identify(command_->pid()));
    attempt_ = {.token = job_.spec.token,
                .epoch = options_.epoch,
                .host = node_name(),
                .wrapper = wrapper,
                .child = child,
                .started = clock_.wall()};
    beat();
    // A return here closes the gate, and the child ends without having been anything.
    TRY(core::write_file(files_.attempt(), attempt_text(attempt_), 0600));
    const auto now = clock_.monotonic();
    time_is_up_ = now + job_.spec.time_limit;
    if (job_.spec.notice > Duration::zero()) {
        notice_at_ = notice_time(now);
    }
    next_tick_ = now + k_tick;
    next_beat_ = now + k_heartbeat;
    command_->let_through();
    return {};
}

// As the scheduler calls it, where there is one: several of its nodes may be one host.
std::string Wrapper::node_name() const {
    for (const auto* name : {"SUST_NODE_NAME", "SLURMD_NODENAME"}) {
        if (const auto found = options_.environment.find(name);
            found != options_.environment.end()) {
            return found->second;
        }
    }
    return host_name();
}

// --- While the command runs ------------------------------------------------------------------

void Wrapper::watch() {
    while (!command_->ended()) {
        while (const auto signal = signals_->next(command_->ended() ? 0ms : until_next())) {
            handle(*signal);
        }
        const auto now = clock_.monotonic();
        if (now >= notice_at_) {
            notice_at_ = MonoTime::max();
            notify();
        }
        if (now >= time_is_up_) {
            time_is_up_ = MonoTime::max();
            stop(Stop::time_limit, SIGTERM);
        }
        if (now >= next_tick_) {
            next_tick_ = now + k_tick;
            tick();
        }
        if (now >= next_beat_) {
            next_beat_ = now + k_heartbeat;
            beat();
        }
        if (now >= kill_at_ && !command_->ended()) {
            kill_at_ = now + k_kill_again;
            kill_everything();
        }
    }
}

core::Duration Wrapper::until_next() const {
    const auto at = std::min({notice_at_, time_is_up_, next_tick_, next_beat_, kill_at_});
    const auto left = std::chrono::ceil<core::Duration>(at - clock_.monotonic());
    return std::max(left, core::Duration::zero());
}

void Wrapper::handle(int signal) {
    switch (signal) {
        case SIGCHLD:
            command_->reap();
            return;
        case SIGTERM:
        case SIGINT:
            stop(is_cancelled() ? Stop::cancelled : Stop::outside, signal);
            return;
        default:
            command_->send(signal);
    }
}

// The last segment of a job may be shorter than its notice; half of it is for working.
MonoTime Wrapper::notice_time(MonoTime start) const {
    const auto limit = job_.spec.time_limit;
    return start + std::max(limit - job_.spec.notice, limit / 2);
}

// A launcher passes it on to its tasks, which are not all here.
void Wrapper::notify() {
    if (stop_ != Stop::none) {
        return;
    }
    log_.info("the time limit is near: giving notice",
              {{"limit", core::format_duration(job_.spec.time_limit)}});
    if (job_.launcher.empty()) {
        give_notice(::getpid());
    } else {
        ::kill(command_->pid(), SIGUSR1);
    }
}

void Wrapper::tick() {
    for (auto* log : {&out_, &err_}) {
        if (*log) {
            (*log)->bound(log_);
        }
    }
    homeless_ticks_ = core::path_exists(files_.path) ? 0 : homeless_ticks_ + 1;
    if (homeless_ticks_ >= k_ticks_homeless) {
        stop(Stop::homeless, SIGTERM);
    } else if (is_cancelled()) {
        stop(Stop::cancelled, SIGTERM);
    } else if (const auto newest = read_fence(options_.job_directory);
               newest && *newest > options_.epoch) {
        stop(Stop::fenced, SIGTERM);
    }
}

// Written in place: the length never changes, and a full disk cannot stop what has its block.
void Wrapper::beat() {
    const auto text = core::rfc3339(clock_.wall()) + "\n";
    core::Fd fd(::open(files_.heartbeat().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    (void)!::pwrite(fd.get(), text.data(), text.size(), 0);  // a missed beat is only a missed beat
}

// The first rung. The first cause is the one that is told, except that a stop from outside may
// still turn out to be a cancel.
void Wrapper::stop(Stop cause, int signal) {
    if (stop_ != Stop::none) {
        stop_ = stop_ == Stop::outside ? cause : stop_;
        return;
    }
    stop_ = cause;
    log_.info("stopping the job", {{"signal", std::to_string(signal)},
                                   {"grace", core::format_duration(job_.spec.stop_grace)}});
    // An empty file needs no free block; without it the job is shown as running for a while.
    const core::Fd told(::open(files_.stopping().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    kill_at_ = clock_.monotonic() + job_.spec.stop_grace;
    if (is_apart()) {
        kill_at_ += k_other_nodes;
        return;  // that file asks the tasks; a scheduler's starter would kill them at a signal
    }
    command_->send(signal);
    command_->send(SIGCONT);  // who is stopped cannot hear
}

// Whether the tasks are on several nodes.
bool Wrapper::is_apart() const {
    return job_.spec.shape.nodes > 1 && !job_.launcher.empty();
}

// A starter on several nodes kills its tasks first when it is asked to end.
void Wrapper::kill_everything() {
    if (is_apart() && !starter_asked_) {
        starter_asked_ = true;
        command_->send(SIGTERM);
        return;
    }
    command_->kill_everything();
}

// --- After the command -----------------------------------------------------------------------

// A scheduler signals all processes of a job at once: the command may be gone before we hear of it.
void Wrapper::hear_what_ended_it() {
    const bool asked = stop_ == Stop::none && WIFSIGNALED(command_->wait_status()) &&
                       (WTERMSIG(command_->wait_status()) == SIGTERM ||
                        WTERMSIG(command_->wait_status()) == SIGKILL);
    for (auto signal = asked ? signals_->next(k_same_moment) : std::nullopt; signal;
         signal = signals_->next(core::Duration::zero())) {
        if (*signal == SIGTERM || *signal == SIGINT) {
            stop_ = Stop::outside;
        }
    }
}

// Whatever the command left behind ends before exit.json says that the attempt has.
void Wrapper::end_leftovers() {
    leftovers_ = command_->end_leftovers(*signals_, clock_);
    if (leftovers_ > 0) {
        log_.warn("processes of the job could not be ended",
                  {{"count", std::to_string(leftovers_)}});
    }
}

ExitWord Wrapper::exit_word() const {
    auto word = word_of_end(attempt_, command_->wait_status(), command_->usage());
    word.finished = clock_.wall();
    word.leftovers = leftovers_;
    if (const auto failure = command_->failure()) {
        word.reason = ExitReason::cannot_start;
        word.status = failure->status;
        word.detail = failure->detail;
        return word;
    }
    if (!job_.launcher.empty() && add_words_of_tasks(files_, word)) {
        return word;
    }
    switch (stop_) {
        case Stop::cancelled:
            word.reason = ExitReason::cancelled;
            break;
        case Stop::time_limit:
            word.reason = ExitReason::time_limit;
            word.detail = "time limit of " + core::format_duration(job_.spec.time_limit);
            break;
        case Stop::fenced:
            word.reason = ExitReason::fenced;
            break;
        case Stop::outside:
            word.reason = ExitReason::stopped;
            word.detail = "by a signal to the wrapper that no cancel announced";
            break;
        case Stop::none:
        case Stop::homeless:
            break;
    }
    if (stop_ == Stop::none && word.status != 0 && limits_.ran_out_of_memory()) {
        word.reason = ExitReason::out_of_memory;
        word.detail =
            "more than its " + core::format_size(job_.spec.shape.memory_bytes) + " of memory";
    }
    return word;
}

// Where there is no directory that is seen elsewhere, the message is the word.
Result<void> Wrapper::hand_in(const ExitWord& word) {
    const auto written = slip_->hand_in(word, clock_);
    return options_.pod ? options_.pod->hand_over(word) : written;
}

// A newer attempt has the same links; so have the other pods of this one, whose links the
// controller takes away.
void Wrapper::tidy_workdir() const {
    if (options_.pod) {
        return;
    }
    const auto newest = read_fence(options_.job_directory);
    if (newest && *newest == options_.epoch) {
        remove_links(job_.spec.inputs, options_.job_directory, workdir());
    }
}

int Wrapper::finish() {
    tidy_workdir();
    const auto word = exit_word();
    if (auto written = hand_in(word); !written) {
        log_.error("the end of the job could not be written", written.error());
    }
    limits_.remove();
    return word.status;
}

}  // namespace

int run_wrapper(const WrapperOptions& options, const core::Clock& clock, const core::Log& log) {
    Wrapper wrapper(options, clock, log);
    const auto status = wrapper.run();
    if (!status) {
        log.error("the job was not started", status.error());
        return k_status_own;
    }
    return *status;
}

}  // namespace sust::cluster
