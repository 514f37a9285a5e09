#include "core/process.h"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/text.h"

extern char** environ;

namespace sust::core {
namespace {

// Everything that the child needs, made before fork: between fork and exec only system calls are
// safe, because another thread may hold the allocator's lock.
struct Prepared {
    std::vector<std::string> environment;
    std::vector<char*> argv;
    std::vector<char*> envp;
    std::string program;
};

// execvpe's search, before the fork. A name with '/' is taken as it is.
std::string find_program(const std::string& name, const char* path) {
    if (name.find('/') != std::string::npos) {
        return name;
    }
    for (const auto& folder : split(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
        const std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
        if (::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
    }
    return {};
}

Prepared prepare(const Command& command) {
    Prepared ready;
    const char* path = nullptr;
    if (command.environment) {
        for (const auto& [key, value] : *command.environment) {
            ready.environment.push_back(key + "=" + value);
            if (key == "PATH") {
                path = ready.environment.back().c_str() + 5;
            }
        }
    }
    for (auto& entry : ready.environment) {
        ready.envp.push_back(entry.data());
    }
    if (!command.environment) {
        for (char** entry = environ; *entry != nullptr; ++entry) {
            ready.envp.push_back(*entry);
            path = std::string_view(*entry).starts_with("PATH=") ? *entry + 5 : path;
        }
    }
    ready.envp.push_back(nullptr);
    for (const auto& argument : command.argv) {
        ready.argv.push_back(const_cast<char*>(argument.c_str()));
    }
    ready.argv.push_back(nullptr);
    const std::string found_in = path == nullptr ? "" : path;
    ready.program =
        find_program(command.argv.front(), path == nullptr ? nullptr : found_in.c_str());
    return ready;
}

// dup2 leaves close-on-exec set when both numbers are equal, so that case is made by hand.
bool put(int from, int to) {
    if (from == to) {
        return ::fcntl(to, F_SETFD, 0) == 0;
    }
    return ::dup2(from, to) >= 0;
}

// In the child, after fork. Returns errno of what failed; does not return on success.
int become(const Command& command, const Prepared& ready, int null_fd, pid_t parent) {
    if (command.new_session && ::setsid() < 0) {
        return errno;
    }
    if (const int code = command.identity ? assume(*command.identity) : 0; code != 0) {
        return code;
    }
    if (command.die_with_parent) {  // after that: a change of user forgets it
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) {
            ::_exit(128 + SIGKILL);  // it died before we asked
        }
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    const bool in_place = put(command.in >= 0 ? command.in : null_fd, STDIN_FILENO) &&
                          (command.out < 0 || put(command.out, STDOUT_FILENO)) &&
                          (command.err < 0 || put(command.err, STDERR_FILENO));
    if (!in_place || (!command.workdir.empty() && ::chdir(command.workdir.c_str()) != 0)) {
        return errno;
    }
    // Descriptors that a library opened without close-on-exec (Asio's sockets) stay with us.
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    ::execve(ready.program.c_str(), ready.argv.data(), ready.envp.data());
    return errno;
}

int shell_status(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The fields of /proc/PID/stat after the command's name, which may itself hold blanks and ')'.
Result<std::vector<std::string>> stat_fields(pid_t pid) {
    const auto text = read_file(fmt::format("/proc/{}/stat", pid), 4096);
    const auto end = text ? text->rfind(')') : std::string::npos;
    if (end == std::string::npos) {
        return fail(Fault::not_found, fmt::format("no process {}", pid));
    }
    return split(trim(std::string_view(*text).substr(end + 1)), ' ');
}

int poll_timeout(const Deadline& deadline) {
    return static_cast<int>(std::min<std::int64_t>(deadline.left().count(), INT_MAX));
}

// Takes what is readable; false at the end of the stream.
bool drain(int fd, std::string& into, std::size_t max_bytes) {
    std::array<char, 16 << 10> buffer;
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    into.append(buffer.data(), std::min(static_cast<std::size_t>(got), max_bytes - into.size()));
    return true;
}

// Both streams until both end or the deadline passes (false).
bool collect(Fd& out, Fd& err, Output& output, const Deadline& deadline, std::size_t max_bytes) {
    while (out || err) {
        std::array<pollfd, 2> wanted{pollfd{out.get(), POLLIN, 0}, pollfd{err.get(), POLLIN, 0}};
        const int ready = ::poll(wanted.data(), wanted.size(), poll_timeout(deadline));
        if (ready == 0) {
            return false;
        }
        if (ready > 0 && wanted[0].revents != 0 && !drain(out.get(), output.out, max_bytes)) {
            out.reset();
        }
        if (ready > 0 && wanted[1].revents != 0 && !drain(err.get(), output.err, max_bytes)) {
            err.reset();
        }
    }
    return true;
}

}  // namespace

void to_json(nlohmann::json& json, const ProcessId& id) {
    json = {{"boot_id", id.boot_id}, {"pid", id.pid}, {"start_ticks", id.start_ticks}};
}

Result<ProcessId> process_id_from_json(const nlohmann::json& json) {
    const bool good = json.is_object() && json.contains("boot_id") && json["boot_id"].is_string() &&
                      json.contains("pid") && json["pid"].is_number_integer() &&
                      json.contains("start_ticks") && json["start_ticks"].is_number_integer();
    if (!good) {
        return fail(Fault::invalid, "a process needs boot_id, pid and start_ticks");
    }
    return ProcessId{.boot_id = json["boot_id"].get<std::string>(),
                     .pid = json["pid"].get<pid_t>(),
                     .start_ticks = json["start_ticks"].get<std::uint64_t>()};
}

Result<std::string> boot_id() {
    return std::string(trim(TRY(read_file("/proc/sys/kernel/random/boot_id", 64))));
}

Result<ProcessId> identify(pid_t pid) {
    // After the name: state is field 0, the start time field 19 (22 in proc(5)'s count).
    const auto fields = TRY(stat_fields(pid));
    if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") {
        return fail(Fault::not_found, fmt::format("no process {}", pid));
    }
    const auto ticks = TRY(parse_integer(fields[19]));
    return ProcessId{
        .boot_id = TRY(boot_id()), .pid = pid, .start_ticks = static_cast<std::uint64_t>(ticks)};
}

bool alive(const ProcessId& id) {
    const auto now = identify(id.pid);
    return now && *now == id;
}

Result<std::optional<Fd>> open_pidfd(const ProcessId& id) {
    Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0)));
    if (!fd && errno != ESRCH && errno != EINVAL) {
        return fail_errno(fmt::format("watch process {}", id.pid), errno);
    }
    // Checked after the open: from here on the descriptor cannot change whom it means.
    if (!fd || !alive(id)) {
        return std::optional<Fd>();
    }
    return std::optional<Fd>(std::move(fd));
}

Result<bool> send_signal(const ProcessId& id, int signal) {
    const auto fd = TRY(open_pidfd(id));
    if (!fd) {
        return false;
    }
    if (::syscall(SYS_pidfd_send_signal, fd->get(), signal, nullptr, 0) == 0) {
        return true;
    }
    if (errno == ESRCH) {
        return false;
    }
    return fail_errno(fmt::format("signal process {}", id.pid), errno);
}

Result<Child> Child::spawn(const Command& command) {
    if (command.argv.empty() || command.argv.front().empty()) {
        return fail(Fault::invalid, "there is no command to start");
    }
    const Prepared ready = prepare(command);
    if (ready.program.empty()) {
        return fail(Fault::not_found,
                    "no program '" + printable(command.argv.front()) + "' in PATH");
    }
    Pipe report = TRY(make_pipe());
    Fd null_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
        return fail_errno("fork", errno);
    }
    if (pid == 0) {
        const int code = become(command, ready, null_fd.get(), parent);
        (void)!::write(report.write.get(), &code, sizeof code);
        ::_exit(127);
    }
    report.write.reset();
    int code = 0;
    ssize_t got = 0;
    do {
        got = ::read(report.read.get(), &code, sizeof code);
    } while (got < 0 && errno == EINTR);
    if (got == sizeof code) {
        ::waitpid(pid, nullptr, 0);
        return fail_errno("start " + printable(command.argv.front()), code);
    }
    return Child(pid, Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))));
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Child& Child::operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(pidfd_, other.pidfd_);
    return *this;
}

Child::~Child() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
}

Result<std::optional<int>> Child::wait(const Deadline& deadline) {
    pollfd wanted{pidfd_.get(), POLLIN, 0};
    while (::poll(&wanted, 1, poll_timeout(deadline)) < 0) {
        if (errno != EINTR) {
            return fail_errno("wait for a child", errno);
        }
    }
    int status = 0;
    const pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == 0) {
        return std::optional<int>();
    }
    if (got < 0) {
        return fail_errno("wait for a child", errno);
    }
    pid_ = -1;
    return std::optional<int>(shell_status(status));
}

Result<void> Child::signal(int signal) {
    if (pid_ > 0 && ::kill(pid_, signal) != 0 && errno != ESRCH) {
        return fail_errno("signal a child", errno);
    }
    return {};
}

void Child::detach() {
    pid_ = -1;
}

Result<Output> run(Command command, const Deadline& deadline, std::size_t max_bytes) {
    Pipe out = TRY(make_pipe());
    Pipe err = TRY(make_pipe());
    command.out = out.write.get();
    command.err = err.write.get();
    Child child = TRY(Child::spawn(command));
    out.write.reset();
    err.write.reset();
    Output output;
    const bool ended = collect(out.read, err.read, output, deadline, max_bytes);
    const auto status = ended ? TRY(child.wait(deadline)) : std::nullopt;
    if (!status) {
        return fail(Fault::timeout,
                    "'" + printable(command.argv.front()) + "' did not end before its deadline");
    }
    output.status = *status;
    return output;
}

}  // namespace sust::core
