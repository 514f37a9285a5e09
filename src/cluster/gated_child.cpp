#include "cluster/gated_child.h"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::cluster {
namespace {

enum class Step { session, streams, workdir, program };

struct Report {
    Step step;
    int code;
};

// What execve takes, made before the fork.
struct Ready {
    std::vector<std::string> programs;  // tried in order
    std::vector<std::string> entries;
    std::vector<char*> argv;
    std::vector<char*> envp;
};

Ready prepare(const ChildPlan& plan) {
    Ready ready;
    const auto& name = plan.argv.front();
    const auto path = plan.environment.find("PATH");
    if (name.find('/') != std::string::npos || path == plan.environment.end()) {
        ready.programs = {name};
    } else {
        for (const auto& folder : core::split(path->second, ':')) {
            ready.programs.push_back((folder.empty() ? "." : folder) + "/" + name);
        }
    }
    for (const auto& [key, value] : plan.environment) {
        ready.entries.push_back(key + "=" + value);
    }
    for (auto& entry : ready.entries) {
        ready.envp.push_back(entry.data());
    }
    ready.envp.push_back(nullptr);
    for (const auto& argument : plan.argv) {
        ready.argv.push_back(const_cast<char*>(argument.c_str()));
    }
    ready.argv.push_back(nullptr);
    return ready;
}

void forget_signals() {
    for (int signal = 1; signal < NSIG; ++signal) {
        ::signal(signal, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// False at the end of the stream: the parent is gone, or gave up.
bool pass_gate(int gate) {
    char byte = 0;
    ssize_t got = 0;
    do {
        got = ::read(gate, &byte, 1);
    } while (got < 0 && errno == EINTR);
    return got == 1;
}

bool put_streams(const ChildPlan& plan) {
    const int in = plan.in >= 0 ? plan.in : ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    return in >= 0 && ::dup2(in, STDIN_FILENO) >= 0 &&
           (plan.out < 0 || ::dup2(plan.out, STDOUT_FILENO) >= 0) &&
           (plan.err < 0 || ::dup2(plan.err, STDERR_FILENO) >= 0);
}

int execute(const Ready& ready) {
    int code = ENOENT;
    for (const auto& program : ready.programs) {
        ::execve(program.c_str(), ready.argv.data(), ready.envp.data());
        // As a shell does: a place that has it but may not run it outweighs places without it.
        if (errno != ENOENT && errno != ENOTDIR) {
            code = errno;
        }
    }
    return code;
}

// In the child. Returns what failed; does not return when the command is started.
Report become(const ChildPlan& plan, const Ready& ready, pid_t parent, int gate) {
    if (plan.new_session ? ::setsid() < 0 : ::setpgid(0, 0) < 0) {
        return {Step::session, errno};
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent || !pass_gate(gate)) {
        ::_exit(128 + SIGKILL);
    }
    forget_signals();
    if (!put_streams(plan)) {
        return {Step::streams, errno};
    }
    if (!plan.workdir.empty() && ::chdir(plan.workdir.c_str()) != 0) {
        return {Step::workdir, errno};
    }
    return {Step::program, execute(ready)};
}

}  // namespace

Result<GatedChild> GatedChild::fork(const ChildPlan& plan) {
    const Ready ready = prepare(plan);
    auto gate = TRY(core::make_pipe());
    auto report = TRY(core::make_pipe());
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
        return core::fail_errno("fork", errno);
    }
    if (pid == 0) {
        gate.write.reset();
        const auto said = become(plan, ready, parent, gate.read.get());
        (void)!::write(report.write.get(), &said, sizeof said);
        ::_exit(125);
    }
    return GatedChild(pid, std::move(gate.write), std::move(report.read), plan.argv.front());
}

void GatedChild::let_through() {
    (void)!::write(gate_.get(), "g", 1);  // a child that is gone shows by its end
    gate_.reset();
}

std::optional<StartFailure> GatedChild::failure() const {
    Report said{};
    if (::read(report_.get(), &said, sizeof said) != sizeof said) {
        return std::nullopt;
    }
    const auto failed = [&](int status, std::string_view doing) {
        return StartFailure{.status = status,
                            .detail = core::fail_errno(doing, said.code).value().message};
    };
    switch (said.step) {
        case Step::session:
            return failed(125, "open a session");
        case Step::streams:
            return failed(125, "open the standard streams");
        case Step::workdir:
            return failed(125, "enter the working directory");
        case Step::program:
            return failed(said.code == ENOENT ? 127 : 126,
                          "start '" + core::printable(program_) + "'");
    }
    return std::nullopt;
}

}  // namespace sust::cluster
