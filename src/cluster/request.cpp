#include "cluster/request.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::TomlTable;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t k_document_bytes_max = 1 << 20;
constexpr std::size_t k_placements_max = 16;
constexpr int k_retries_max = 1'000;
constexpr Duration k_usual_limit = 24h;
constexpr Duration k_usual_grace = 10s;
constexpr Duration k_usual_back_off = 10s;
constexpr Duration k_back_off_max = 24h;
// A shorter one would be spent on starting.
constexpr Duration k_segment_min = 1min;

// A table that may be absent is one without keys.
template <class Read>
Result<void> read_part(const TomlTable& table, std::string_view key, Read read) {
    const auto part = TRY(table.table(key));
    if (part) {
        TRY(read(*part));
        TRY(part->no_other_keys());
    }
    return {};
}

Result<int> count_of(const TomlTable& table, std::string_view key, int low, int high, int usual) {
    const auto said = TRY(table.integer(key));
    if (said && (*said < low || *said > high)) {
        return fail(Fault::invalid,
                    fmt::format("'{}' must be between {} and {}, not {}", key, low, high, *said),
                    {.where = table.where(key)});
    }
    return static_cast<int>(said.value_or(usual));
}

// --- The command -----------------------------------------------------------------------------

// A script is run by /bin/sh; its text is visible to every user of the node, like any command.
Result<std::vector<std::string>> command_of(const TomlTable& table) {
    auto command = TRY(table.texts("command"));
    const auto script = TRY(table.text("script"));
    if (command.empty() == !script) {
        return fail(Fault::invalid, script ? "says a command and a script" : "says no command",
                    {.where = table.where(script ? "script" : ""),
                     .hint = "command = [\"python3\", \"train.py\"], or script = \"...\""});
    }
    return script ? std::vector<std::string>{"/bin/sh", "-c", *script} : command;
}

std::string name_of(const std::vector<std::string>& command, bool is_script) {
    return is_script ? "script" : Path(command.front()).filename().string();
}

// --- Parts -----------------------------------------------------------------------------------

Result<void> read_shape(const TomlTable& table, Shape& shape) {
    shape.nodes = TRY(count_of(table, "nodes", 1, 100'000, 1));
    shape.tasks_per_node = TRY(count_of(table, "tasks_per_node", 1, 10'000, 1));
    shape.cpus_per_task = TRY(count_of(table, "cpus_per_task", 0, 10'000, 1));
    shape.memory_bytes = TRY(table.size("memory")).value_or(0);
    return read_part(table, "gpus", [&](const TomlTable& part) -> Result<void> {
        shape.gpus.count = TRY(count_of(part, "count", 1, 1'000, 1));
        shape.gpus.type = TRY(part.text("type")).value_or("");
        return {};
    });
}

Result<void> read_time(const TomlTable& part, JobRequest& request) {
    request.has_time_limit = part.has("limit");
    request.time_limit = TRY(part.duration("limit")).value_or(k_usual_limit);
    request.stop_grace = TRY(part.duration("grace")).value_or(k_usual_grace);
    request.notice = TRY(part.duration("notice")).value_or(Duration{});
    const auto said = TRY(part.text("segments")).value_or("never");
    if (said == "never") {
        return {};
    }
    if (said == "auto") {
        request.segment = Duration::max();
        return {};
    }
    request.segment = TRY(core::within(part.where("segments"), core::parse_duration(said)));
    if (request.segment < k_segment_min || request.segment <= request.notice) {
        return fail(Fault::invalid,
                    fmt::format("a segment is at least {} and longer than the notice, not {}",
                                core::format_duration(k_segment_min), said),
                    {.where = part.where("segments"),
                     .hint = "segments = \"auto\" takes what the back end allows"});
    }
    return {};
}

Result<void> read_retry(const TomlTable& part, Retry& retry) {
    retry.count = TRY(count_of(part, "count", 0, k_retries_max, 0));
    retry.exclude_bad_nodes = TRY(part.boolean("exclude_bad_nodes")).value_or(true);
    retry.back_off = TRY(part.duration("back_off")).value_or(k_usual_back_off);
    if (retry.back_off > k_back_off_max) {
        return fail(Fault::invalid, "a back-off is at most 24h", {.where = part.where("back_off")});
    }
    if (part.has("on")) {
        retry.on.clear();
    }
    for (const auto& said : TRY(part.texts("on"))) {
        const auto end = TRY(core::within(part.where("on"), parse_end(said)));
        if (end == End::completed || end == End::cancelled) {
            return fail(Fault::invalid, fmt::format("'{}' is never tried again", said),
                        {.where = part.where("on")});
        }
        retry.on.push_back(end);
    }
    return {};
}

Result<void> read_options(const TomlTable& table, JobRequest& request) {
    return read_part(table, "options", [&](const TomlTable& part) -> Result<void> {
        for (const auto& backend : part.keys()) {
            request.options[backend] = TRY(part.text_map(backend));
        }
        return {};
    });
}

// Ranges of what every back end has are looked at with a placement that changes nothing.
Result<void> check(const TomlTable& table, const JobRequest& request) {
    auto checked = check_spec(spec_of(request, {}, {"job"}));
    if (!checked) {
        const auto field = checked.error().where;
        checked.error().where = table.where(table.has(field) ? field : "");
        checked.error().message = field + ": " + checked.error().message;
    }
    return checked;
}

}  // namespace

void to_json(nlohmann::json& json, const Placement& placement) {
    json = {{"backend", placement.backend}};
    for (const auto& [key, value] :
         {std::pair("partition", &placement.partition), std::pair("account", &placement.account),
          std::pair("queue", &placement.queue)}) {
        if (!value->empty()) {
            json[key] = *value;
        }
    }
}

Result<std::vector<Placement>> read_placements(const TomlTable& table) {
    std::vector<Placement> placements;
    for (const auto& part : TRY(table.tables("placement"))) {
        auto& placement = placements.emplace_back();
        placement.backend = TRY(part.required_text("backend"));
        placement.partition = TRY(part.text("partition")).value_or("");
        placement.account = TRY(part.text("account")).value_or("");
        placement.queue = TRY(part.text("queue")).value_or("");
        TRY(part.no_other_keys());
        TRY(core::within(part.where("backend"),
                         core::check_name("back end", placements.back().backend)));
    }
    if (placements.size() > k_placements_max) {
        return fail(Fault::too_large, fmt::format("more than {} placements", k_placements_max),
                    {.where = table.where("placement")});
    }
    if (placements.empty()) {
        placements.push_back({.backend = k_this_machine});
    }
    return placements;
}

void place(JobSpec& spec, const Placement& placement) {
    const auto say = [](std::string& word, const std::string& said) {
        word = said.empty() ? word : said;
    };
    say(spec.partition, placement.partition);
    say(spec.account, placement.account);
    say(spec.queue, placement.queue);
    if (placement.time_limit > Duration::zero()) {
        spec.time_limit = placement.time_limit;
    }
}

Result<JobRequest> read_request(const TomlTable& table) {
    JobRequest request{.time_limit = k_usual_limit, .stop_grace = k_usual_grace};
    request.retry.back_off = k_usual_back_off;
    request.retry.on = {End::node_lost, End::preempted, End::vanished, End::start_failed};
    request.command = TRY(command_of(table));
    request.name = TRY(table.text("name")).value_or(name_of(request.command, table.has("script")));
    request.environment = TRY(table.text_map("env"));
    request.workdir = TRY(table.text("workdir")).value_or("");
    request.image = TRY(table.text("environment")).value_or("");
    request.carried = TRY(read_carried(table, request.workdir, request.image));
    TRY(read_shape(table, request.shape));
    request.priority = TRY(count_of(table, "priority", k_priority_min, k_priority_max, 0));
    request.partition = TRY(table.text("partition")).value_or("");
    request.account = TRY(table.text("account")).value_or("");
    request.queue = TRY(table.text("queue")).value_or("");
    request.principal = TRY(table.text("principal")).value_or("");
    TRY(read_part(table, "time", [&](const auto& part) { return read_time(part, request); }));
    TRY(read_part(table, "retry",
                  [&](const auto& part) { return read_retry(part, request.retry); }));
    request.labels = TRY(table.text_map("labels"));
    request.placement = TRY(read_placements(table));
    TRY(read_options(table, request));
    TRY(table.no_other_keys());
    TRY(check(table, request));
    request.document = table.json();
    if (request.document.size() > k_document_bytes_max) {
        return fail(Fault::too_large, "a job is at most 1 MiB of JSON", {.where = table.where()});
    }
    return request;
}

JobSpec spec_of(const JobRequest& request, const Placement& placement, const Token& token) {
    JobSpec spec{.token = token, .name = request.name, .argv = request.command};
    spec.environment = request.environment;
    spec.workdir = request.workdir;
    spec.time_limit = request.segment > Duration::zero()
                          ? std::min(request.segment, request.time_limit)
                          : request.time_limit;
    spec.stop_grace = request.stop_grace;
    spec.notice = request.notice;
    spec.shape = request.shape;
    spec.image = request.image;
    spec.priority = request.priority;
    spec.partition = request.partition;
    spec.account = request.account;
    spec.queue = request.queue;
    spec.principal = request.principal;
    for (const auto& input : request.carried.inputs) {
        spec.inputs[input.name] = input.path;
    }
    for (const auto& output : request.carried.outputs) {
        spec.outputs.push_back(output.path);
    }
    spec.labels = request.labels;
    if (const auto found = request.options.find(placement.backend);
        found != request.options.end()) {
        spec.options = found->second;
    }
    place(spec, placement);
    return spec;
}

}  // namespace sust::cluster
