#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <unistd.h>

#include "apps/sust/api.h"
#include "apps/sust/daemons.h"
#include "apps/sust/log_text.h"
#include "apps/sust/print.h"
#include "apps/sust/rotated_log.h"
#include "apps/sust/supervisor.h"
#include "core/text.h"

namespace sust::cli {
namespace {

constexpr auto k_look_again = std::chrono::milliseconds(50);

// True if one was running.
Result<bool> stop_supervisor(const Context& context) {
    const auto supervisor = running(context.places.run, "supervisor");
    if (!supervisor) {
        return false;
    }
    TRY(core::send_signal(*supervisor, SIGTERM));
    const core::Deadline deadline(context.clock, std::chrono::seconds(70));
    while (core::alive(*supervisor) && !deadline.passed()) {
        std::this_thread::sleep_for(k_look_again);
    }
    if (core::alive(*supervisor)) {
        return core::fail(
            Fault::timeout, "the supervisor did not stop within 70 s",
            {.hint = fmt::format("look at: sust logs sustd; then kill {}", supervisor->pid)});
    }
    return true;
}

Result<int> up(Context& context, const Arguments& arguments) {
    const auto plan = TRY(plan_daemons(context));
    if (arguments.has("--foreground")) {
        const core::Log log(
            context.clock, "supervisor", STDERR_FILENO,
            ::isatty(STDERR_FILENO) != 0 ? core::LogForm::text : core::LogForm::json);
        return supervise(plan, context.clock, log);
    }
    const bool was_up = running(plan.run, "supervisor").has_value();
    if (!was_up) {
        TRY(start_in_background(context, plan));
    }
    const auto ready = await_ready(context, plan, std::chrono::seconds(30));
    if (!ready) {
        // What this call started goes with it; jobs of before are not its own.
        if (!was_up) {
            TRY(stop_supervisor(context));
        }
        return tl::unexpected<core::Error>(ready.error());
    }
    auto status = *ready;
    const auto ignored =
        was_up ? TRY(settings_without_effect(context, plan)) : std::vector<std::string>();
    if (!ignored.empty()) {
        status["without_effect"] = ignored;
        print_warning(
            context,
            core::join(ignored, ", ") + ": no effect on what runs already with another value",
            context.command("down") + ", then again " + context.command("up"));
    }
    print_done(context, status,
               fmt::format("sust is {}: endpoint {}, state in {}", was_up ? "already up" : "up",
                           status.value("endpoint", "-"), context.places.data.string()));
    return 0;
}

Result<int> down(Context& context, const Arguments& arguments) {
    Progress progress(context);
    if (running(context.places.run, "supervisor")) {
        progress.show("waiting for open streams, then stopping");
    }
    const bool was_up = TRY(stop_supervisor(context));
    TRY(stop_strays(context));
    const auto jobs = arguments.has("--keep-jobs") ? 0 : TRY(end_jobs(context, progress));
    progress.finish();
    print_done(context, {{"was_up", was_up}, {"jobs_ended", jobs}},
               was_up ? fmt::format("sust is down; {} jobs ended", jobs)
                      : fmt::format("sust was not up; {} jobs ended", jobs));
    return 0;
}

Result<int> status(Context& context, const Arguments&) {
    auto found = daemon_status(context);
    Api api(context);
    if (const auto told = api.get("/api/v1/status")) {
        found["sustd"]["status"] = *told;
        found["services"] = told->value("services", nlohmann::json::array());
        found["runs"] = told->value("runs", nlohmann::json::object());
    }
    print_object(context, found,
                 {{"supervisor.state", "supervisor"},
                  {"sustd.state", "sustd"},
                  {"gateway.state", "gateway"},
                  {"endpoint", "endpoint"},
                  {"data", "data"},
                  {"runs", "runs"},
                  {"services", "services"}});
    const bool all_up =
        found["sustd"]["state"] == "running" && found["gateway"]["state"] == "running";
    return all_up ? 0 : core::exit_code(Fault::unavailable);
}

// Prints what is there and, with -f, what is added, across rotations.
Result<int> logs(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("PROGRAM");
    if (name != "sustd" && name != "gateway") {
        return core::fail(Fault::invalid, fmt::format("no program '{}'", core::printable(name, 40)),
                          {.hint = "sust logs sustd, or sust logs gateway"});
    }
    auto log = RotatedLog::open(log_file(context, name));
    if (!log) {
        log.error().hint = context.command("up");
        return tl::unexpected<core::Error>(log.error());
    }
    const auto follow = arguments.has("--follow") ? Follow::yes : Follow::no;
    LogText out(context, follow);
    while (true) {
        const auto piece = TRY(log->read());
        if ((piece.empty() && follow == Follow::no) || !out.add(piece)) {
            out.finish();
            return 0;
        }
        if (piece.empty()) {
            std::this_thread::sleep_for(k_look_again * 4);
        }
    }
}

}  // namespace

std::vector<Verb> up_verbs() {
    return {
        {.path = "up",
         .summary = "start sustd and the gateway on this machine (loopback only)",
         .options = {{"--foreground", "", "stay in the foreground; Ctrl-C stops everything"}},
         .examples = {"sust up", "sust --root /tmp/demo up",
                      "sust up --config gateway.listen=127.0.0.1:9000"},
         .run = up},
        {.path = "down",
         .summary = "stop the gateway, sustd, replicas and jobs; services come back with sust up",
         .options = {{"--keep-jobs", "", "leave replicas and running jobs as they are"}},
         .examples = {"sust down"},
         .run = down},
        {.path = "status",
         .summary = "what runs, and where",
         .examples = {"sust status --json"},
         .run = status},
        {.path = "logs",
         .summary = "the log of sustd or of the gateway",
         .positionals = {{"PROGRAM", "sustd or gateway", Count::one, Completes::programs}},
         .options = {{"--follow", "", "go on with what is added", Count::optional,
                      Completes::nothing, "-f"}},
         .examples = {"sust logs gateway --follow"},
         .run = logs}};
}

}  // namespace sust::cli
