#include "cluster/wrapper.h"

#include <algorithm>
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/exit_slip.h"
#include "cluster/fence.h"
#include "cluster/gated_child.h"
#include "cluster/job_log.h"
#include "cluster/machine.h"
#include "cluster/processes.h"
#include "cluster/signals.h"
#include "cluster/words.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::MonoTime;
using namespace std::chrono_literals;

namespace {

constexpr auto k_same_moment = 100ms;
constexpr auto k_tick = 1s;          // cancel file, fence, log size
constexpr auto k_heartbeat = 5s;     // five missed ones are a silent wrapper to a remote reader
constexpr auto k_kill_again = 1s;    // SIGKILL is repeated: a fork may have slipped through
constexpr auto k_leftovers = 5s;     // processes stuck in the kernel may not hold up the word
constexpr int k_ticks_homeless = 3;  // a directory that stays away was removed
constexpr int k_status_own = 125;    // the wrapper's own failure before the start
constexpr int k_status_cancelled = 143;

enum class Stop { none, outside, cancelled, time_limit, fenced, homeless };

Result<Path> own_program() {
    std::error_code code;
    auto path = std::filesystem::read_symlink("/proc/self/exe", code);
    return code ? Result<Path>(core::fail_errno("find this program", code.value())) : path;
}

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
    Result<int> cancelled_before_start();
    Result<ChildPlan> plan_child();

    void watch();
    void handle(int signal);
    void reap();
    void tick();
    void beat();
    void send(int signal) const;
    void stop(Stop cause, int signal);
    void kill_everything();
    void hear_what_ended_it();
    void end_leftovers();
    core::Duration until_next() const;

    std::string node_name() const;
    ExitWord exit_word() const;
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
    std::optional<GatedChild> child_;
    AttemptWord attempt_;

    bool ended_ = false;
    int wait_status_ = 0;
    rusage usage_{};
    int leftovers_ = 0;

    Stop stop_ = Stop::none;
    int homeless_ticks_ = 0;
    MonoTime time_is_up_;
    MonoTime kill_at_ = MonoTime::max();
    MonoTime next_tick_;
    MonoTime next_beat_;
};

Result<int> Wrapper::run() {
    TRY(prepare());
    if (core::path_exists(files_.cancel())) {
        return cancelled_before_start();
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
        if (core::path_exists(path)) {
            return fail(Fault::conflict, "this attempt has been started before",
                        {.where = path.string()});
        }
    }
    slip_ = TRY(ExitSlip::reserve(files_));
    return {};
}

Result<int> Wrapper::cancelled_before_start() {
    const ExitWord word{.token = job_.spec.token,
                        .epoch = options_.epoch,
                        .status = k_status_cancelled,
                        .reason = ExitReason::cancelled,
                        .detail = "cancelled before the command was started",
                        .started = clock_.wall(),
                        .finished = clock_.wall()};
    TRY(slip_->hand_in(word, clock_));
    return k_status_cancelled;
}

Result<ChildPlan> Wrapper::plan_child() {
    out_ = TRY(JobLog::open(files_.out(), job_.log_bytes));
    err_ = TRY(JobLog::open(files_.err(), job_.log_bytes));
    ChildPlan plan{.argv = job_.spec.argv,
                   .environment = base_environment(options_.environment),
                   .workdir = job_.spec.workdir.empty() ? files_.path : job_.spec.workdir,
                   .out = out_->fd(),
                   .err = err_->fd()};
    for (const auto& [name, value] : job_.spec.environment) {
        plan.environment[name] = value;
    }
    // Wherever a back end has put this program, a job reaches its other commands by its name.
    if (plan.argv.front() == "sust-agent") {
        plan.argv.front() = TRY(own_program()).string();
    }
    plan.environment["SUST_JOB_TOKEN"] = job_.spec.token.value;
    plan.environment["SUST_JOB_EPOCH"] = std::to_string(options_.epoch);
    plan.environment["SUST_JOB_ATTEMPT"] = files_.path.string();
    return plan;
}

// attempt.json names the child before the child is let through to the command.
Result<void> Wrapper::begin() {
    const auto plan = TRY(plan_child());
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return core::fail_errno("become the reaper of orphans", errno);
    }
    child_ = TRY(GatedChild::fork(plan));
    attempt_ = {.token = job_.spec.token,
                .epoch = options_.epoch,
                .host = node_name(),
                .wrapper = TRY(core::identify(::getpid())),
                .child = TRY(core::identify(child_->pid())),
                .started = clock_.wall()};
    beat();
    // A return here closes the gate, and the child ends without having been anything.
    TRY(core::write_file(files_.attempt(), attempt_text(attempt_), 0600));
    const auto now = clock_.monotonic();
    time_is_up_ = now + job_.spec.time_limit;
    next_tick_ = now + k_tick;
    next_beat_ = now + k_heartbeat;
    child_->let_through();
    return {};
}

// As the scheduler calls it, where there is one: several of its nodes may be one host.
std::string Wrapper::node_name() const {
    const auto found = options_.environment.find("SLURMD_NODENAME");
    return found == options_.environment.end() ? host_name() : found->second;
}

// --- While the command runs ------------------------------------------------------------------

void Wrapper::watch() {
    while (!ended_) {
        while (const auto signal = signals_->next(ended_ ? 0ms : until_next())) {
            handle(*signal);
        }
        const auto now = clock_.monotonic();
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
        if (now >= kill_at_ && !ended_) {
            kill_at_ = now + k_kill_again;
            kill_everything();
        }
    }
}

core::Duration Wrapper::until_next() const {
    const auto at = std::min({time_is_up_, next_tick_, next_beat_, kill_at_});
    const auto left = std::chrono::ceil<core::Duration>(at - clock_.monotonic());
    return std::max(left, core::Duration::zero());
}

void Wrapper::handle(int signal) {
    switch (signal) {
        case SIGCHLD:
            reap();
            return;
        case SIGTERM:
        case SIGINT:
            stop(core::path_exists(files_.cancel()) ? Stop::cancelled : Stop::outside, signal);
            return;
        default:
            send(signal);
    }
}

// To the command's process group; to the child alone while it has not made that group yet.
void Wrapper::send(int signal) const {
    if (!ended_ && ::kill(-child_->pid(), signal) != 0) {
        ::kill(child_->pid(), signal);
    }
}

// The command, and orphans that became ours.
void Wrapper::reap() {
    int status = 0;
    rusage usage{};
    pid_t pid = 0;
    while ((pid = ::wait4(-1, &status, WNOHANG, &usage)) > 0) {
        if (pid == child_->pid()) {
            ended_ = true;
            wait_status_ = status;
            usage_ = usage;
        }
    }
}

void Wrapper::tick() {
    out_->bound(log_);
    err_->bound(log_);
    homeless_ticks_ = core::path_exists(files_.path) ? 0 : homeless_ticks_ + 1;
    if (homeless_ticks_ >= k_ticks_homeless) {
        stop(Stop::homeless, SIGTERM);
    } else if (core::path_exists(files_.cancel())) {
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
    send(signal);
    send(SIGCONT);  // who is stopped cannot hear
}

void Wrapper::kill_everything() {
    send(SIGKILL);
    if (const auto all = list_processes()) {
        kill_all(descendants_of(::getpid(), *all));
    }
}

// --- After the command -----------------------------------------------------------------------

// A scheduler signals all processes of a job at once: the command may be gone before we hear of it.
void Wrapper::hear_what_ended_it() {
    const bool asked = stop_ == Stop::none && WIFSIGNALED(wait_status_) &&
                       (WTERMSIG(wait_status_) == SIGTERM || WTERMSIG(wait_status_) == SIGKILL);
    for (auto signal = asked ? signals_->next(k_same_moment) : std::nullopt; signal;
         signal = signals_->next(core::Duration::zero())) {
        if (*signal == SIGTERM || *signal == SIGINT) {
            stop_ = Stop::outside;
        }
    }
}

// Whatever the command left behind ends before exit.json says that the attempt has.
void Wrapper::end_leftovers() {
    const core::Deadline deadline(clock_, k_leftovers);
    while (true) {
        reap();
        const auto all = list_processes();
        const auto left = all ? descendants_of(::getpid(), *all) : std::vector<core::ProcessId>();
        leftovers_ = static_cast<int>(left.size());
        if (left.empty() || deadline.passed()) {
            break;
        }
        kill_all(left);
        (void)signals_->next(20ms);  // most often the SIGCHLD of one of them
    }
    if (leftovers_ > 0) {
        log_.warn("processes of the job could not be ended",
                  {{"count", std::to_string(leftovers_)}});
    }
}

ExitWord Wrapper::exit_word() const {
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    ExitWord word{.token = job_.spec.token,
                  .epoch = options_.epoch,
                  .status = WIFEXITED(wait_status_) ? WEXITSTATUS(wait_status_)
                                                    : 128 + WTERMSIG(wait_status_),
                  .signal = WIFSIGNALED(wait_status_) ? WTERMSIG(wait_status_) : 0,
                  .reason = WIFSIGNALED(wait_status_) ? ExitReason::signalled : ExitReason::exited,
                  .started = attempt_.started,
                  .finished = clock_.wall(),
                  .max_rss_bytes = static_cast<std::uint64_t>(usage_.ru_maxrss) * 1024,
                  .cpu_seconds = seconds(usage_.ru_utime) + seconds(usage_.ru_stime),
                  .leftovers = leftovers_};
    if (const auto failure = child_->failure()) {
        word.reason = ExitReason::cannot_start;
        word.status = failure->status;
        word.detail = failure->detail;
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
    return word;
}

int Wrapper::finish() {
    const auto word = exit_word();
    if (auto written = slip_->hand_in(word, clock_); !written) {
        log_.error("the end of the job could not be written", written.error());
    }
    return word.status;
}

}  // namespace

core::Environment base_environment(const core::Environment& of_wrapper) {
    core::Environment base = {
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        {"LANG", "C.UTF-8"}};
    // Who the user is and where its files are; nothing that happened to be set around the caller.
    for (const auto* name : {"HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
                             "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"}) {
        if (const auto found = of_wrapper.find(name); found != of_wrapper.end()) {
            base.insert(*found);
        }
    }
    // What a scheduler says about the place that it gave.
    for (const auto& [name, value] : of_wrapper) {
        if (name.starts_with("SLURM") || name.ends_with("_VISIBLE_DEVICES") ||
            name == "GPU_DEVICE_ORDINAL") {
            base.emplace(name, value);
        }
    }
    return base;
}

std::string attempt_mark(const Path& attempt_directory) {
    return "SUST_JOB_ATTEMPT=" + attempt_directory.string();
}

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
