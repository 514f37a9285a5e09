#include "cluster/command_tree.h"

#include <csignal>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/processes.h"

namespace sust::cluster {

using namespace std::chrono_literals;

namespace {

constexpr auto k_leftovers = 5s;  // processes stuck in the kernel may not hold up the word

}  // namespace

Result<CommandTree> CommandTree::fork(const ChildPlan& plan) {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return core::fail_errno("become the reaper of orphans", errno);
    }
    return CommandTree(TRY(GatedChild::fork(plan)));
}

void CommandTree::reap() {
    int status = 0;
    rusage usage{};
    pid_t pid = 0;
    while ((pid = ::wait4(-1, &status, WNOHANG, &usage)) > 0) {
        if (pid == child_.pid()) {
            ended_ = true;
            wait_status_ = status;
            usage_ = usage;
        }
    }
}

void CommandTree::send(int signal) const {
    if (!ended_ && ::kill(-child_.pid(), signal) != 0) {
        ::kill(child_.pid(), signal);
    }
}

void CommandTree::kill_everything() const {
    send(SIGKILL);
    if (const auto all = list_processes()) {
        kill_all(descendants_of(::getpid(), *all));
    }
}

int CommandTree::end_leftovers(SignalSource& signals, const core::Clock& clock) {
    const core::Deadline deadline(clock, k_leftovers);
    while (true) {
        reap();
        const auto all = list_processes();
        const auto left = all ? descendants_of(::getpid(), *all) : std::vector<core::ProcessId>();
        if (left.empty() || deadline.passed()) {
            return static_cast<int>(left.size());
        }
        kill_all(left);
        (void)signals.next(20ms);  // most often the SIGCHLD of one of them
    }
}

}  // namespace sust::cluster
