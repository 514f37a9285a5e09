#include "cluster/tasks.h"

#include <algorithm>
#include <csignal>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/gated_child.h"
#include "cluster/machine.h"
#include "cluster/notice.h"
#include "cluster/place.h"
#include "cluster/processes.h"
#include "cluster/signals.h"
#include "cluster/words.h"
#include "core/text.h"

namespace sust::cluster {

using core::MonoTime;
using namespace std::chrono_literals;

namespace {

constexpr auto k_kill_again = 1s;  // a fork may have slipped through
constexpr auto k_leftovers = 5s;   // processes stuck in the kernel may not hold up the end
constexpr int k_status_own = 125;

struct Task {
    GatedChild child;
    bool ended = false;
};

class Tasks {
  public:
    Tasks(const TasksOptions& options, const core::Clock& clock, const core::Log& log)
        : options_(options), clock_(clock), log_(log) {}

    Result<int> run();
    int signal() const { return signal_; }

  private:
    Result<void> fork_all();
    bool let_through();
    void watch();
    void reap();
    void pass(int signal);
    void fail_with(std::size_t rank, int status, int signal, const std::string& how);
    void end_others();
    void end_leftovers();
    bool all_ended() const;
    void tell_that_none_ran(const StartFailure& failure) const;

    const TasksOptions& options_;
    const core::Clock& clock_;
    const core::Log& log_;
    std::optional<SignalSource> signals_;
    std::vector<Task> tasks_;
    bool failed_ = false;
    int status_ = 0;
    int signal_ = 0;  // that ended the first that failed
    bool asked_ = false;
    MonoTime kill_at_ = MonoTime::max();
};

Result<int> Tasks::run() {
    signals_ = TRY(SignalSource::open());
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return core::fail_errno("become the reaper of orphans", errno);
    }
    if (auto forked = fork_all(); !forked) {
        end_leftovers();
        return tl::unexpected(std::move(forked).error());
    }
    if (let_through()) {
        watch();
    }
    end_leftovers();
    return status_;
}

// Every process of the node is there before the first of them is anything.
Result<void> Tasks::fork_all() {
    const auto place = TRY(place_of(options_.environment, host_name()));
    ChildPlan plan{.argv = options_.argv,
                   .environment = options_.environment,
                   .in = STDIN_FILENO,
                   .new_session = false};
    for (int rank = 0; rank < options_.count; ++rank) {
        tell_place(plan.environment, place, rank, options_.count);
        tasks_.push_back({.child = TRY(GatedChild::fork(plan))});
    }
    return {};
}

// The first shows whether the command can be executed; the others are let through after that.
// False: none ran.
bool Tasks::let_through() {
    for (std::size_t rank = 0; rank < tasks_.size(); ++rank) {
        auto& child = tasks_[rank].child;
        child.let_through();
        const auto failure = child.failure();
        if (!failure) {
            continue;
        }
        fail_with(rank, failure->status, 0, failure->detail);
        std::for_each(tasks_.begin() + static_cast<std::ptrdiff_t>(rank), tasks_.end(),
                      [](const Task& waiting) { ::kill(waiting.child.pid(), SIGKILL); });
        if (rank == 0) {
            tell_that_none_ran(*failure);
        }
        return rank > 0;
    }
    return true;
}

// A status of 127 may be the command's own too; the wrapper is told that it is not.
void Tasks::tell_that_none_ran(const StartFailure& failure) const {
    const auto attempt = options_.environment.find("SUST_JOB_ATTEMPT");
    if (attempt == options_.environment.end()) {
        return;
    }
    const auto path = AttemptFiles{attempt->second}.cannot_start();
    if (auto told = core::write_file(path, failure.detail + "\n", 0600); !told) {
        log_.warn("it could not be told that no task ran",
                  {{"error", core::to_string(told.error())}});
    }
}

// --- While they run --------------------------------------------------------------------------

bool Tasks::all_ended() const {
    return std::all_of(tasks_.begin(), tasks_.end(), [](const Task& task) { return task.ended; });
}

void Tasks::watch() {
    while (!all_ended()) {
        const auto left = std::chrono::ceil<core::Duration>(kill_at_ - clock_.monotonic());
        const auto signal = signals_->next(std::max(left, core::Duration::zero()));
        if (signal && *signal != SIGCHLD) {
            pass(*signal);
        }
        reap();
        if (clock_.monotonic() >= kill_at_) {
            kill_at_ = clock_.monotonic() + k_kill_again;
            if (const auto all = list_processes()) {
                kill_all(descendants_of(::getpid(), *all));
            }
        }
    }
}

void Tasks::reap() {
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
        const auto task = std::find_if(tasks_.begin(), tasks_.end(), [pid](const Task& one) {
            return one.child.pid() == pid && !one.ended;
        });
        if (task == tasks_.end()) {
            continue;  // an orphan that became ours
        }
        task->ended = true;
        const auto rank = static_cast<std::size_t>(task - tasks_.begin());
        if (WIFSIGNALED(status)) {
            const char* name = ::sigabbrev_np(WTERMSIG(status));
            fail_with(rank, 128 + WTERMSIG(status), WTERMSIG(status),
                      fmt::format("killed by SIG{}", name == nullptr ? "?" : name));
        } else if (WEXITSTATUS(status) != 0) {
            fail_with(rank, WEXITSTATUS(status), 0,
                      fmt::format("exit status {}", WEXITSTATUS(status)));
        }
    }
}

// To the process group of each. A notice is for those alone that listen to it.
void Tasks::pass(int signal) {
    asked_ |= signal == SIGTERM || signal == SIGINT;
    if (signal == SIGUSR1) {
        give_notice(::getpid());
        return;
    }
    for (const auto& task : tasks_) {
        if (!task.ended && ::kill(-task.child.pid(), signal) != 0) {
            ::kill(task.child.pid(), signal);
        }
    }
}

// Only the first is the result.
void Tasks::fail_with(std::size_t rank, int status, int signal, const std::string& how) {
    if (failed_) {
        return;
    }
    failed_ = true;
    status_ = status;
    signal_ = signal;
    log_.warn("a task failed, which ends the others",
              {{"task", std::to_string(rank)}, {"how", how}});
    end_others();
}

// Who was asked already may be saving its work, and many programs give that up when asked twice.
void Tasks::end_others() {
    kill_at_ = clock_.monotonic() + options_.grace;
    if (!asked_) {
        pass(SIGTERM);
        pass(SIGCONT);
    }
}

// --- After them ------------------------------------------------------------------------------

// Nothing that a task started outlives the tasks.
void Tasks::end_leftovers() {
    const core::Deadline deadline(clock_, k_leftovers);
    while (true) {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        const auto all = list_processes();
        const auto left = all ? descendants_of(::getpid(), *all) : std::vector<core::ProcessId>();
        if (left.empty() || deadline.passed()) {
            return;
        }
        kill_all(left);
        (void)signals_->next(20ms);
    }
}

// As the task did, so that whoever waits for us sees what became of it.
void die_by(int signal) {
    ::prctl(PR_SET_DUMPABLE, 0);  // the core file is the task's to write
    sigset_t only;
    ::sigemptyset(&only);
    ::sigaddset(&only, signal);
    ::signal(signal, SIG_DFL);
    ::sigprocmask(SIG_UNBLOCK, &only, nullptr);
    ::raise(signal);
}

}  // namespace

int run_tasks(const TasksOptions& options, const core::Clock& clock, const core::Log& log) {
    Tasks tasks(options, clock, log);
    const auto status = tasks.run();
    if (!status) {
        log.error("no task was started", status.error());
        return k_status_own;
    }
    if (tasks.signal() != 0) {
        die_by(tasks.signal());
    }
    return *status;
}

std::vector<std::string> tasks_launcher(const std::string& agent, int count, core::Duration grace) {
    return {
        agent, "tasks", "--count", std::to_string(count), "--grace", core::format_duration(grace),
        "--"};
}

}  // namespace sust::cluster
