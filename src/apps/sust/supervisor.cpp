#include "apps/sust/supervisor.h"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sust::cli {
namespace {

using core::Duration;
using core::Fd;
using core::MonoTime;
using core::ProcessId;

constexpr Duration k_first_pause = std::chrono::milliseconds(200);
constexpr Duration k_longest_pause = std::chrono::seconds(10);
// A program that ran this long starts again at once: its earlier ends are history.
constexpr Duration k_steady = std::chrono::seconds(60);
// The gateway lets streams finish for 20 s; sustd only finishes what it is writing.
constexpr Duration k_stop_within = std::chrono::seconds(25);

core::Path identity_file(const core::Path& run, const std::string& name) {
    return run / (name + ".pid.json");
}

struct Watched {
    const ServiceProgram* program;
    std::optional<ProcessId> id{};
    Fd pidfd{};
    MonoTime started{};
    MonoTime start_at{};  // when it is not running
    Duration pause = k_first_pause;
};

class Supervisor {
  public:
    Supervisor(const SupervisorPlan& plan, const core::Clock& clock, const core::Log& log)
        : plan_(plan), clock_(clock), log_(log) {
        for (const auto& program : plan.programs) {
            watched_.push_back({.program = &program, .start_at = clock.monotonic()});
        }
    }

    void loop(int stop_fd) {
        while (true) {
            for (auto& watched : watched_) {
                if (!watched.id && clock_.monotonic() >= watched.start_at) {
                    start(watched);
                }
            }
            if (wait_for_events(stop_fd)) {
                break;
            }
        }
        for (auto watched = watched_.rbegin(); watched != watched_.rend(); ++watched) {
            stop(*watched);
        }
    }

  private:
    // A program that an earlier supervisor started: the daemons write their identity themselves
    // once they hold their lock, so a second one cannot take the first one's place there.
    bool adopt(Watched& watched) {
        const auto id = running(plan_.run, watched.program->name);
        auto fd = id ? core::open_pidfd(*id) : core::Result<std::optional<Fd>>(std::nullopt);
        if (!fd || !*fd) {
            return false;
        }
        watched.id = id;
        watched.pidfd = std::move(**fd);
        watched.started = clock_.monotonic();
        log_.info("adopted",
                  {{"program", watched.program->name}, {"pid", std::to_string(id->pid)}});
        return true;
    }

    void start(Watched& watched) {
        if (adopt(watched)) {
            return;
        }
        const auto& program = *watched.program;
        Fd err(
            ::open(program.stderr_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
        constexpr off_t k_max_stderr = 1 << 20;
        struct stat info {};
        if (err && ::fstat(err.get(), &info) == 0 && info.st_size > k_max_stderr) {
            (void)!::ftruncate(err.get(), 0);
        }
        auto child = core::Child::spawn(
            {.argv = program.argv, .out = err.get(), .err = err.get(), .new_session = true});
        const auto id = child ? core::identify(child->pid())
                              : core::Result<ProcessId>(tl::unexpected(child.error()));
        if (!id) {
            if (child) {
                child->detach();
            }
            log_.error(fmt::format("cannot start {}", program.name), id.error());
            later(watched);
            return;
        }
        child->detach();
        const auto kept = core::write_file(identity_file(plan_.run, started_name(program.name)),
                                           nlohmann::json(*id).dump() + "\n");
        if (!kept) {
            log_.error("the identity of a program could not be kept", kept.error());
        }
        auto fd = core::open_pidfd(*id);
        watched.started = clock_.monotonic();
        if (fd && *fd) {
            watched.id = *id;
            watched.pidfd = std::move(**fd);
            log_.info("started", {{"program", program.name}, {"pid", std::to_string(id->pid)}});
        } else {
            later(watched);
        }
    }

    void later(Watched& watched) {
        const auto now = clock_.monotonic();
        if (now - watched.started > k_steady) {
            watched.pause = k_first_pause;
        }
        watched.id.reset();
        watched.pidfd.reset();
        watched.start_at = now + watched.pause;
        watched.pause = std::min(watched.pause * 2, k_longest_pause);
    }

    // True once a stop signal came.
    bool wait_for_events(int stop_fd) {
        std::vector<pollfd> wanted{{stop_fd, POLLIN, 0}};
        Duration timeout = std::chrono::seconds(60);
        for (const auto& watched : watched_) {
            if (watched.id) {
                wanted.push_back({watched.pidfd.get(), POLLIN, 0});
            } else {
                timeout = std::min(
                    timeout, std::chrono::ceil<Duration>(watched.start_at - clock_.monotonic()));
            }
        }
        ::poll(wanted.data(), wanted.size(),
               static_cast<int>(std::max<std::int64_t>(timeout.count(), 0)));
        for (auto& watched : watched_) {
            reap(watched);
        }
        return (wanted[0].revents & POLLIN) != 0;
    }

    void reap(Watched& watched) {
        pollfd ended{watched.pidfd.get(), POLLIN, 0};
        if (!watched.id || ::poll(&ended, 1, 0) <= 0) {
            return;
        }
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(watched.id->pid), &info,
                 WEXITED | WNOHANG);  // ours or adopted
        log_.warn("ended", {{"program", watched.program->name},
                            {"pid", std::to_string(watched.id->pid)},
                            {"status", std::to_string(info.si_status)}});
        later(watched);
    }

    void stop(Watched& watched) {
        if (!watched.id) {
            return;
        }
        (void)core::send_signal(*watched.id, SIGTERM);
        pollfd ended{watched.pidfd.get(), POLLIN, 0};
        const core::Deadline deadline(clock_, k_stop_within);
        while (::poll(&ended, 1, static_cast<int>(deadline.left().count())) < 0 && errno == EINTR) {
        }
        if (ended.revents == 0) {
            log_.warn("did not stop in time, killed", {{"program", watched.program->name}});
            (void)core::send_signal(*watched.id, SIGKILL);
        }
        log_.info("stopped", {{"program", watched.program->name}});
        ::unlink(identity_file(plan_.run, watched.program->name).c_str());
        ::unlink(identity_file(plan_.run, started_name(watched.program->name)).c_str());
    }

    const SupervisorPlan& plan_;
    const core::Clock& clock_;
    const core::Log& log_;
    std::vector<Watched> watched_;
};

core::Result<Fd> stop_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    Fd fd(::signalfd(-1, &signals, SFD_CLOEXEC));
    if (!fd) {
        return core::fail_errno("wait for signals", errno);
    }
    return fd;
}

}  // namespace

std::string started_name(const std::string& name) {
    return name + ".started";
}

std::optional<ProcessId> running(const core::Path& run, const std::string& name) {
    const auto text = core::read_file_if_any(identity_file(run, name), 4096);
    if (!text || !*text) {
        return std::nullopt;
    }
    const auto id = core::process_id_from_json(nlohmann::json::parse(**text, nullptr, false));
    return id && core::alive(*id) ? std::optional(*id) : std::nullopt;
}

core::Result<int> supervise(const SupervisorPlan& plan, const core::Clock& clock,
                            const core::Log& log) {
    TRY(core::make_directories(plan.run, 0700));
    const auto lock = TRY(core::FileLock::try_acquire(plan.run / "supervisor.lock"));
    if (!lock) {
        return core::fail(core::Fault::conflict, "another supervisor runs here already",
                          {.where = plan.run.string(), .hint = "sust status; sust down ends it"});
    }
    const Fd stop_fd = TRY(stop_signals());
    const auto self = TRY(core::identify(::getpid()));
    TRY(core::write_file(identity_file(plan.run, "supervisor"),
                         nlohmann::json(self).dump() + "\n"));
    Supervisor supervisor(plan, clock, log);
    supervisor.loop(stop_fd.get());
    ::unlink(identity_file(plan.run, "supervisor").c_str());
    return 0;
}

}  // namespace sust::cli
