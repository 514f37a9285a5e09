#include "apps/sust/daemons.h"

#include <algorithm>
#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <unistd.h>

#include "cluster/local.h"
#include "core/http_client.h"
#include "core/text.h"

namespace sust::cli {
namespace {

constexpr auto k_look_again = std::chrono::milliseconds(50);

core::Path stderr_file(const Context& context, const std::string& program) {
    return context.places.state / "logs" / (program + ".stderr");
}

std::string last_words(const Context& context, const std::string& program) {
    constexpr std::size_t k_max = 1 << 21;
    const auto text = core::read_file_if_any(stderr_file(context, program), k_max);
    if (!text || !*text) {
        return {};
    }
    const auto trimmed = core::trim(**text);
    const auto line = trimmed.rfind('\n');
    return std::string(line == std::string_view::npos ? trimmed : trimmed.substr(line + 1));
}

bool sustd_answers(const Context& context) {
    const auto socket = core::socket_path(context.places.api_socket(), ::getuid());
    if (!socket) {
        return false;
    }
    core::http::Client client(context.clock, core::http::UnixAddress{*socket});
    const auto answer = client.send({.target = "/healthz"}, std::chrono::seconds(2));
    return answer && answer->status == 200;
}

// "http://127.0.0.1:8080/v1" once the gateway of now has published its port.
std::optional<std::string> endpoint(const Context& context) {
    const auto gateway = running(context.places.run, "gateway");
    const auto text = core::read_file_if_any(context.places.run / "gateway.json", 4096);
    if (!gateway || !text || !*text) {
        return std::nullopt;
    }
    const auto json = nlohmann::json::parse(**text, nullptr, false);
    if (!json.is_object() || json.value("pid", 0) != gateway->pid) {
        return std::nullopt;
    }
    const auto at =
        core::host_and_port(text_in(json, "address"), json.value("port", std::uint16_t{0}));
    return fmt::format("http://{}/v1", at);
}

// In starting order.
constexpr std::pair<std::string_view, std::string_view> k_daemons[] = {{"sustd", "sustd"},
                                                                       {"gateway", "sust-gateway"}};

// The settings that a daemon is told on its command line; no name: both are.
struct DaemonSetting {
    std::string_view daemon;
    std::string_view option;
    std::string_view key;
};
constexpr DaemonSetting k_daemon_settings[] = {{"", "--log-size", "log.file_size"},
                                               {"", "--log-files", "log.files"},
                                               {"", "--log-level", "log.level"},
                                               {"gateway", "--listen", "gateway.listen"},
                                               {"gateway", "--threads", "gateway.threads"}};

// As a daemon takes it: sizes in bytes.
std::string value_of(const core::Settings& settings, std::string_view key) {
    const auto spec = std::find_if(setting_specs().begin(), setting_specs().end(),
                                   [&](const auto& one) { return one.key == key; });
    return spec->kind == core::SettingKind::size ? std::to_string(settings.size(key))
                                                 : settings.text(key);
}

std::optional<std::string> value_after(const std::vector<std::string>& argv,
                                       std::string_view option) {
    const auto found = std::find(argv.begin(), argv.end(), option);
    return found == argv.end() || found + 1 == argv.end() ? std::nullopt
                                                          : std::optional(*(found + 1));
}

std::vector<std::string> command_line_of(pid_t pid) {
    constexpr std::size_t k_max = 64 << 10;
    const auto text = core::read_file(fmt::format("/proc/{}/cmdline", pid), k_max);
    return text ? core::split(*text, '\0') : std::vector<std::string>();
}

std::vector<std::string> argv_of(const Context& context, std::string_view program) {
    std::vector<std::string> argv{context.program(program).string()};
    if (!context.root.empty()) {
        argv.insert(argv.end(), {"--root", context.root.string()});
    }
    return argv;
}

Result<void> make_places(const Context& context) {
    const auto& places = context.places;
    TRY(core::make_directories(places.run, 0700));
    TRY(core::make_directories(places.data, 0700));
    return core::make_directories(places.state / "logs", 0750);
}

// Fails when a program that was started has ended with a message instead of becoming ready.
Result<void> still_starting(const Context& context, const std::string& program, int& misses) {
    constexpr int k_patience = 3;  // looks in a row without the process: it ended and waits
    const auto& run = context.places.run;
    const bool lives = running(run, program) || running(run, started_name(program));
    misses = lives ? 0 : misses + 1;
    const auto words = misses > k_patience ? last_words(context, program) : std::string();
    if (words.empty()) {
        return {};
    }
    const auto fault =
        words.find("in use") != std::string::npos ? Fault::conflict : Fault::unavailable;
    return core::fail(fault, fmt::format("{} does not start: {}", program, words),
                      {.hint = "mend that, then: " + context.command("up")});
}

}  // namespace

core::Path log_file(const Context& context, const std::string& program) {
    return context.places.state / "logs" / (program + ".log");
}

Result<SupervisorPlan> plan_daemons(const Context& context) {
    const auto settings = TRY(context.settings());
    TRY(make_places(context));
    SupervisorPlan plan{.run = context.places.run};
    for (const auto& [name, program] : k_daemons) {
        auto argv = argv_of(context, program);
        argv.insert(argv.end(), {"--log-file", log_file(context, std::string(name)).string()});
        for (const auto& setting : k_daemon_settings) {
            if (setting.daemon.empty() || setting.daemon == name) {
                argv.insert(argv.end(),
                            {std::string(setting.option), value_of(settings, setting.key)});
            }
        }
        plan.programs.push_back(
            {std::string(name), std::move(argv), stderr_file(context, std::string(name))});
    }
    return plan;
}

Result<std::vector<std::string>> settings_without_effect(const Context& context,
                                                         const SupervisorPlan& plan) {
    std::vector<std::string> found;
    const auto settings = TRY(context.settings());
    for (const auto& said : settings.all()) {
        const auto daemon = std::find_if(std::begin(k_daemon_settings), std::end(k_daemon_settings),
                                         [&](const auto& one) { return one.key == said.key; });
        if (said.source == "default" || daemon == std::end(k_daemon_settings)) {
            continue;
        }
        const bool other = std::any_of(
            plan.programs.begin(), plan.programs.end(), [&](const ServiceProgram& program) {
                const auto id = running(context.places.run, program.name);
                const auto now = value_after(
                    id ? command_line_of(id->pid) : std::vector<std::string>(), daemon->option);
                return now && *now != value_after(program.argv, daemon->option);
            });
        if (other) {
            found.push_back(said.key);
        }
    }
    return found;
}

Result<void> start_in_background(const Context& context, const SupervisorPlan& plan) {
    for (const auto& program : plan.programs) {
        ::truncate(program.stderr_file.c_str(), 0);  // what an earlier life said is not this one's
    }
    const auto log_path = context.places.state / "logs/supervisor.log";
    const pid_t pid = ::fork();
    if (pid < 0) {
        return core::fail_errno("fork", errno);
    }
    if (pid > 0) {
        return {};
    }
    ::setsid();
    ::signal(SIGHUP, SIG_IGN);
    (void)!::chdir("/");
    const int null_fd = ::open("/dev/null", O_RDWR);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(null_fd, fd);
    }
    const auto log = core::Log::to_file(context.clock, "supervisor", log_path, 4 << 20, 2);
    const auto status = supervise(plan, context.clock, log);
    if (!status) {
        log.error("the supervisor could not run", status.error());
    }
    ::_exit(status ? *status : core::exit_code(status.error().fault));
}

Result<nlohmann::json> await_ready(const Context& context, const SupervisorPlan& plan,
                                   core::Duration within) {
    constexpr int k_supervisor_patience = 10;  // looks in a row without it
    const core::Deadline deadline(context.clock, within);
    int supervisor_misses = 0;
    Progress progress(context);
    int sustd_misses = 0;
    int gateway_misses = 0;
    while (!deadline.passed()) {
        // Adopted daemons answer before their new supervisor has noted itself for `down` to find.
        if (running(plan.run, "supervisor") && sustd_answers(context) && endpoint(context)) {
            progress.finish();
            return daemon_status(context);
        }
        if (within - deadline.left() > std::chrono::seconds(2)) {
            progress.show("waiting for sustd and the gateway");
        }
        std::this_thread::sleep_for(k_look_again);
        // One that was dying when we looked first may have been taken for a living one. The lock
        // lets only one in, however many are started.
        supervisor_misses = running(plan.run, "supervisor") ? 0 : supervisor_misses + 1;
        if (supervisor_misses == k_supervisor_patience) {
            supervisor_misses = 0;
            TRY(start_in_background(context, plan));
        }
        TRY(still_starting(context, "sustd", sustd_misses));
        TRY(still_starting(context, "gateway", gateway_misses));
    }
    return core::fail(
        Fault::timeout, "sustd and the gateway were not ready in time",
        {.where = (context.places.state / "logs").string(),
         .hint = context.command("logs sustd") + "; " + context.command("logs gateway")});
}

nlohmann::json daemon_status(const Context& context) {
    nlohmann::json status;
    for (const char* name : {"supervisor", "sustd", "gateway"}) {
        const auto id = running(context.places.run, name);
        status[name] = {{"state", id ? "running" : "not running"}};
        if (id) {
            status[name]["pid"] = id->pid;
        }
    }
    status["endpoint"] = endpoint(context) ? nlohmann::json(*endpoint(context)) : nlohmann::json();
    status["data"] = context.places.data.string();
    return status;
}

Result<void> stop_strays(const Context& context) {
    for (const std::string& name : {std::string("gateway"), std::string("sustd"),
                                    started_name("gateway"), started_name("sustd")}) {
        const auto id = running(context.places.run, name);
        if (!id) {
            continue;
        }
        TRY(core::send_signal(*id, SIGTERM));
        const core::Deadline deadline(context.clock, std::chrono::seconds(25));
        while (core::alive(*id) && !deadline.passed()) {
            std::this_thread::sleep_for(k_look_again);
        }
        TRY(core::send_signal(*id, SIGKILL));
    }
    return {};
}

Result<int> end_jobs(const Context& context, Progress& progress) {
    if (!core::path_exists(context.places.jobs())) {
        return 0;
    }
    auto jobs = TRY(cluster::open_local(
        {.book = {.jobs = context.places.jobs()}, .agent = context.program("sust-agent")},
        context.clock, core::Log::silent()));
    const core::Deadline deadline(context.clock, std::chrono::seconds(60));
    int asked = 0;
    for (bool first = true;; first = false) {
        jobs->poll();
        int left = 0;
        for (const auto& job : TRY(jobs->list())) {
            if (cluster::is_final(job.state)) {
                continue;
            }
            ++left;
            if (first) {
                TRY(jobs->cancel(job.token));
                ++asked;
            }
        }
        if (left == 0) {
            return asked;
        }
        if (deadline.passed()) {
            return core::fail(Fault::timeout, fmt::format("{} jobs did not end within 60 s", left),
                              {.where = context.places.jobs().string()});
        }
        progress.show(fmt::format("waiting for {} jobs to end", left));
        std::this_thread::sleep_for(k_look_again);
    }
}

}  // namespace sust::cli
