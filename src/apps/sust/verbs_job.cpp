#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/follow.h"
#include "apps/sust/job_file.h"
#include "apps/sust/print.h"
#include "core/text.h"

namespace sust::cli {
namespace {

const std::vector<Column> k_columns{{"id", "JOB"},           {"name", "NAME"},
                                    {"backend", "BACK END"}, {"state", "STATE"},
                                    {"end", "END"},          {"created", "AGE", Column::Form::age},
                                    {"reason", "WHY"}};
const std::vector<Column> k_lines{{"id", "job"},
                                  {"name", "name"},
                                  {"backend", "back end"},
                                  {"state", "state"},
                                  {"end", "end"},
                                  {"exit_status", "exit status"},
                                  {"reason", "why"},
                                  {"nodes", "nodes"},
                                  {"source", "told by"},
                                  {"observed", "seen", Column::Form::age},
                                  {"next_try", "next try", Column::Form::time},
                                  {"created", "created", Column::Form::time},
                                  {"started", "started", Column::Form::time},
                                  {"finished", "finished", Column::Form::time}};

std::string state_line(const nlohmann::json& job) {
    const auto reason = text_in(job, "reason");
    return fmt::format("{} {}{}{}", text_in(job, "id"), text_in(job, "state"),
                       reason.empty() ? "" : ": ", core::printable(reason, 200));
}

// As a command that wraps a program: its status, 128 + signal for signals; 125 where there is none.
Result<int> tell_end(const Context& context, const nlohmann::json& job) {
    const auto id = text_in(job, "id");
    const auto end = text_in(job, "end");
    const auto reason = text_in(job, "reason");
    print_done(context, job, fmt::format("{} {}{}{}", id, end, reason.empty() ? "" : ": ", reason));
    if (end == "completed") {
        return 0;
    }
    if (!context.json) {
        std::cerr << "  what it printed: " << context.command("job logs " + id) << '\n';
    }
    constexpr int k_no_status = 125;
    const auto status = job.find("exit_status");
    const bool told = status != job.end() && status->is_number_integer() && *status != 0;
    return told ? status->get<int>() : k_no_status;
}

Result<nlohmann::json> wait_for(const Context& context, Api& api, const std::string& id) {
    return await_end(context, api,
                     {.collection = "jobs", .id = id, .noun = "job", .line = state_line});
}

Result<int> job_submit(Context& context, const Arguments& arguments) {
    const auto request = TRY(read_job_file(arguments));
    Api api(context);
    const auto job = TRY(api.post("/api/v1/jobs", request));
    const auto id = text_in(job, "id");
    if (arguments.has("--wait")) {
        return tell_end(context, TRY(wait_for(context, api, id)));
    }
    print_done(context, job,
               fmt::format("{} is {} on {}", id, text_in(job, "state"), text_in(job, "backend")));
    return 0;
}

// "local (vm): starts 2026-01-01T00:00:00.000Z: jobs of this machine start at once"
std::string placement_line(const nlohmann::json& placement) {
    auto line = text_in(placement, "backend");
    for (const auto* key : {"partition", "where"}) {
        if (const auto text = text_in(placement, key); !text.empty()) {
            line += " (" + text + ")";
        }
    }
    if (const auto refusal = text_in(placement, "refusal"); !refusal.empty()) {
        return line + ": refused: " + refusal;
    }
    const auto start = text_in(placement, "start");
    const auto why = text_in(placement, "why");
    line += start.empty() ? ": takes it, and cannot say when" : ": starts " + start;
    return line + (why.empty() ? "" : ": " + why);
}

Result<int> job_plan(Context& context, const Arguments& arguments) {
    const auto request = TRY(read_job_file(arguments));
    Api api(context);
    const auto plan = TRY(api.post("/api/v1/jobs/plan", request));
    const auto chosen = text_in(plan, "chosen");
    if (context.json) {
        print_json(plan);
    } else {
        for (const auto& placement : plan.value("placements", nlohmann::json::array())) {
            std::cout << placement_line(placement) << '\n';
        }
        std::cout << (chosen.empty() ? "nothing takes it\n" : "it would go to " + chosen + "\n");
    }
    return chosen.empty() ? core::exit_code(Fault::invalid) : 0;
}

Result<int> job_ls(Context& context, const Arguments&) {
    Api api(context);
    print_list(context, TRY(api.list("/api/v1/jobs")), k_columns,
               "no jobs; submit one with: sust job submit job.toml");
    return 0;
}

void print_artifacts(const Context& context, const nlohmann::json& job) {
    const auto inputs = job.value("inputs", nlohmann::json::array());
    const auto outputs = job.value("outputs", nlohmann::json::array());
    if (!inputs.empty()) {
        std::cout << '\n';
        print_list(context, inputs,
                   {{"artifact", "INPUT"},
                    {"digest", "DIGEST", Column::Form::digest},
                    {"name", "NAME"},
                    {"path", "SEEN AT"}},
                   "");
    }
    if (!outputs.empty()) {
        std::cout << '\n';
        print_list(context, outputs,
                   {{"name", "OUTPUT"},
                    {"kind", "KIND"},
                    {"digest", "DIGEST", Column::Form::digest},
                    {"path", "LEFT AT"}},
                   "");
    }
}

Result<int> job_show(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto job = TRY(api.get(api_path("jobs", arguments.one("JOB"))));
    print_object(context, job, k_lines);
    if (!context.json) {
        std::cout << '\n';
        print_list(context, job.value("attempts", nlohmann::json::array()),
                   {{"epoch", "ATTEMPT"},
                    {"end", "END"},
                    {"exit_status", "STATUS"},
                    {"nodes", "NODES"},
                    {"started", "STARTED", Column::Form::time},
                    {"finished", "FINISHED", Column::Form::time},
                    {"reason", "WHY"}},
                   "no attempt has ended");
        print_artifacts(context, job);
    }
    return 0;
}

Result<int> job_logs(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto target = api_path("jobs", arguments.one("JOB"), "/logs") +
                        "?stream=" + (arguments.has("--err") ? "err" : "out");
    TRY(print_log(context, api, target, arguments.has("--follow") ? Follow::yes : Follow::no));
    return 0;
}

Result<int> job_wait(Context& context, const Arguments& arguments) {
    Api api(context);
    return tell_end(context, TRY(wait_for(context, api, arguments.one("JOB"))));
}

Result<int> job_cancel(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto& id = arguments.one("JOB");
    const auto job = TRY(api.post(api_path("jobs", id, "/cancel"), nlohmann::json::object()));
    print_done(context, job, fmt::format("{} is {}", id, text_in(job, "state")));
    return 0;
}

Result<int> job_rm(Context& context, const Arguments& arguments) {
    const auto& id = arguments.one("JOB");
    TRY(confirm(context, fmt::format("remove {} with its logs?", id)));
    Api api(context);
    print_done(context, TRY(api.remove(api_path("jobs", id))), fmt::format("{} removed", id));
    return 0;
}

}  // namespace

std::vector<Verb> job_verbs() {
    const Positional job{"JOB", "the job's identifier", Count::one, Completes::jobs};
    const Positional file{"FILE", "job.toml", Count::one, Completes::files};
    const Option backend{"--backend", "NAME", "this back end, whatever the file's placement says",
                         Count::optional, Completes::backends};
    const Option set{"--set", "KEY=VALUE", "a key of the file (time.limit=2h)", Count::any};
    const Option follow{"--follow",         "",  "go on with what is added", Count::optional,
                        Completes::nothing, "-f"};
    return {{.path = "job submit",
             .summary = "run a command somewhere: on this machine, or where its placement says",
             .positionals = {file},
             .options = {backend, set, {"--wait", "", "stay until it has ended"}},
             .examples = {"sust job submit job.toml", "sust job submit job.toml --wait",
                          "sust job submit job.toml --set nodes=2 --set time.limit=2h"},
             .run = job_submit},
            {.path = "job plan",
             .summary = "where a job would go, when, and what refuses it; submits nothing",
             .positionals = {file},
             .options = {backend, set},
             .examples = {"sust job plan job.toml"},
             .run = job_plan},
            {.path = "job ls", .summary = "all jobs", .examples = {"sust job ls"}, .run = job_ls},
            {.path = "job show",
             .summary = "one job and its attempts",
             .positionals = {job},
             .examples = {"sust job show job-01k..."},
             .run = job_show},
            {.path = "job logs",
             .summary = "what a job's newest attempt prints",
             .positionals = {job},
             .options = {{"--err", "", "standard error in place of standard output"}, follow},
             .examples = {"sust job logs job-01k... --follow"},
             .run = job_logs},
            {.path = "job wait",
             .summary = "stay until a job has ended; the exit status is the command's",
             .positionals = {job},
             .examples = {"sust job wait job-01k..."},
             .run = job_wait},
            {.path = "job cancel",
             .summary = "end a job",
             .positionals = {job},
             .examples = {"sust job cancel job-01k..."},
             .run = job_cancel},
            {.path = "job rm",
             .summary = "forget an ended job and its logs",
             .positionals = {job},
             .examples = {"sust job rm job-01k..."},
             .run = job_rm}};
}

}  // namespace sust::cli
