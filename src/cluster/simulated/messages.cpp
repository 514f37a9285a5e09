#include "cluster/simulated/messages.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/node_names.h"
#include "core/text.h"
#include "core/toml.h"

namespace sust::cluster::simulated {

using core::fail;
using core::Fault;
using core::TomlTable;
using nlohmann::json;

namespace {

std::string dump(const json& document) {
    return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

// What the library throws on a wrong type or an absent key ends here.
template <class Read>
auto read_json(std::string_view text, std::string_view what, Read read)
    -> Result<decltype(read(json()))> {
    try {
        return read(json::parse(text));
    } catch (const json::exception& trouble) {
        return fail(Fault::invalid,
                    fmt::format("the site's answer is no {}: {}", what,
                                core::printable(trouble.what(), 160)),
                    {.hint = "is the socket that of sust simulate?"});
    }
}

Result<std::int64_t> integer_of(const TomlTable& table, std::string_view key, std::int64_t low,
                                std::int64_t high, std::int64_t usual) {
    const auto said = TRY(table.integer(key)).value_or(usual);
    return said >= low && said <= high
               ? Result<std::int64_t>(said)
               : fail(Fault::invalid,
                      fmt::format("'{}' must be between {} and {}, not {}", key, low, high, said),
                      {.where = table.where(key)});
}

constexpr Duration k_time_max = std::chrono::hours(24 * 3653);

std::string duration_text(Duration duration) {
    return fmt::format("{}ms", duration.count());
}

template <class Enum, std::size_t N>
Enum word_of(const std::string& word, const std::array<Enum, N>& all) {
    for (const auto one : all) {
        if (to_string(one) == word) {
            return one;
        }
    }
    throw json::other_error::create(501, "unknown word '" + core::printable(word, 40) + "'",
                                    nullptr);
}

constexpr std::array k_phases = {Phase::waiting, Phase::starting, Phase::running, Phase::stopping,
                                 Phase::ended};
constexpr std::array k_node_states = {NodeState::idle,    NodeState::busy, NodeState::draining,
                                      NodeState::drained, NodeState::down, NodeState::unknown};
constexpr std::array k_paces = {Pace::real, Pace::scaled, Pace::manual};

}  // namespace

// --- Submissions -----------------------------------------------------------------------------

std::string to_text(const Submission& said) {
    json document = {{"token", said.token.value},
                     {"epoch", said.epoch},
                     {"nodes", said.nodes},
                     {"cores", said.cores},
                     {"memory", std::to_string(said.memory_bytes)},
                     {"gpus", said.gpus.count},
                     {"gpu_type", said.gpus.type},
                     {"partition", said.partition},
                     {"account", said.account},
                     {"priority", said.priority},
                     {"limit", duration_text(said.limit)},
                     {"grace", duration_text(said.grace)},
                     {"exclude_nodes", said.exclude_nodes},
                     {"directory", said.directory.string()},
                     {"agent", said.agent.string()},
                     {"base", said.base}};
    if (said.duration) {
        document["duration"] = duration_text(*said.duration);
    }
    if (said.exit_status) {
        document["exit_status"] = *said.exit_status;
    }
    return dump(document);
}

Result<Submission> read_submission(std::string_view text) {
    const auto table = TRY(TomlTable::from_json(text, "job"));
    Submission said;
    said.token.value = TRY(table.required_text("token"));
    TRY(core::check_name("job token", said.token.value));
    said.epoch = TRY(integer_of(table, "epoch", 1, INT64_MAX, 1));
    said.nodes = static_cast<int>(TRY(integer_of(table, "nodes", 1, 100'000, 1)));
    said.cores = static_cast<int>(TRY(integer_of(table, "cores", 1, 1'000'000, 1)));
    said.memory_bytes = TRY(table.size("memory")).value_or(0);
    said.gpus.count = static_cast<int>(TRY(integer_of(table, "gpus", 0, 1'000, 0)));
    said.gpus.type = TRY(table.text("gpu_type")).value_or("");
    said.partition = TRY(table.text("partition")).value_or("");
    said.account = TRY(table.text("account")).value_or("");
    said.priority =
        static_cast<int>(TRY(integer_of(table, "priority", k_priority_min, k_priority_max, 0)));
    said.limit = TRY(table.duration("limit")).value_or(std::chrono::hours(24));
    said.grace = TRY(table.duration("grace")).value_or(Duration{});
    said.exclude_nodes = TRY(table.texts("exclude_nodes"));
    said.duration = TRY(table.duration("duration"));
    if (table.has("exit_status")) {
        said.exit_status = static_cast<int>(TRY(integer_of(table, "exit_status", 0, 255, 0)));
    }
    said.directory = TRY(table.text("directory")).value_or("");
    said.agent = TRY(table.text("agent")).value_or("");
    said.base = TRY(table.text_map("base"));
    TRY(table.no_other_keys());
    for (const auto& time : {said.limit, said.grace, said.duration.value_or(Duration{})}) {
        if (time < Duration::zero() || time > k_time_max) {
            return fail(Fault::invalid, "a time is at most ten years", {.where = "job"});
        }
    }
    return said;
}

namespace {

// Whether some group of the partition has as many nodes that are large enough.
bool could_fit(const Submission& said, const Model& model, const Queue& queue) {
    std::int64_t nodes = 0;
    for (std::size_t i = 0; i < model.groups.size(); ++i) {
        const auto& group = model.groups[i];
        const bool suits = (queue.groups >> i & 1) != 0 && group.cores >= said.cores &&
                           group.memory_bytes >= said.memory_bytes &&
                           group.gpus.count >= said.gpus.count &&
                           (said.gpus.type.empty() || said.gpus.type == group.gpus.type);
        nodes += suits ? group.count : 0;
    }
    return nodes >= said.nodes;
}

Result<const Queue*> queue_of(const Submission& said, const Model& model) {
    const int found = model.queue_named(said.partition);
    if (found < 0) {
        return fail(Fault::invalid,
                    said.partition.empty()
                        ? "the site has no default partition"
                        : fmt::format("no partition '{}'", core::printable(said.partition, 60)),
                    {.where = "partition"});
    }
    const auto& queue = model.queues[static_cast<std::size_t>(found)];
    const auto& may = queue.accounts;
    if (!may.empty() && std::find(may.begin(), may.end(), said.account) == may.end()) {
        return fail(Fault::denied,
                    fmt::format("account '{}' may not use partition {}",
                                core::printable(said.account, 60), queue.name),
                    {.where = "account"});
    }
    return &queue;
}

}  // namespace

Result<Ask> ask_of(const Submission& said, const Model& model) {
    const auto* queue = TRY(queue_of(said, model));
    if (!said.account.empty() && !model.accounts.empty() &&
        !model.accounts.contains(said.account)) {
        return fail(Fault::denied,
                    fmt::format("no account '{}'", core::printable(said.account, 60)),
                    {.where = "account"});
    }
    if (!could_fit(said, model, *queue)) {
        return fail(Fault::invalid,
                    fmt::format("partition {} has not so many nodes of this size", queue->name),
                    {.where = "nodes"});
    }
    Ask ask{.token = said.token,
            .epoch = said.epoch,
            .queue = static_cast<int>(queue - model.queues.data()),
            .account = said.account,
            .nodes = said.nodes,
            .cores = said.cores,
            .memory = static_cast<std::int64_t>(said.memory_bytes),
            .gpus = said.gpus,
            .priority = said.priority,
            .limit = said.limit,
            .grace = said.grace,
            .is_command = model.runs_commands && !said.duration,
            .duration = said.duration,
            .exit_status = said.exit_status};
    if (ask.is_command) {  // which takes real time, however fast the site's passes
        ask.limit = Duration(std::llround(static_cast<double>(said.limit.count()) * model.factor));
        ask.grace = Duration(std::llround(static_cast<double>(said.grace.count()) * model.factor));
    }
    if (queue->longest && said.limit > *queue->longest) {
        return fail(Fault::invalid,
                    fmt::format("partition {} has a time limit of {}", queue->name,
                                core::format_duration(*queue->longest)),
                    {.where = "limit"});
    }
    for (const auto& name : said.exclude_nodes) {
        if (const int node = model.node_named(name); node >= 0) {
            ask.excluded.push_back(node);
        }
    }
    std::sort(ask.excluded.begin(), ask.excluded.end());
    return ask;
}

// --- Jobs ------------------------------------------------------------------------------------

std::string jobs_text(const std::vector<const Job*>& jobs, const Model& model) {
    auto rows = json::array();
    for (const auto* job : jobs) {
        std::vector<std::string> nodes;
        for (const int node : job->nodes) {
            nodes.push_back(model.nodes[static_cast<std::size_t>(node)]);
        }
        rows.push_back({{"id", job->number},
                        {"token", job->ask.token.value},
                        {"epoch", job->ask.epoch},
                        {"phase", to_string(job->phase)},
                        {"end", job->end ? json(to_string(*job->end)) : json()},
                        {"reason", to_string(job->why)},
                        {"nodes", compress_nodes(nodes)}});
    }
    return dump({{"jobs", std::move(rows)}});
}

Result<std::vector<JobRow>> read_jobs(std::string_view text) {
    return read_json(text, "list of jobs", [](const json& document) {
        constexpr std::size_t k_nodes_max = 100'000;
        std::vector<JobRow> rows;
        for (const auto& item : document.at("jobs")) {
            JobRow row{.id = item.at("id").get<int>(),
                       .token = {item.at("token").get<std::string>()},
                       .epoch = item.at("epoch").get<std::int64_t>(),
                       .phase = word_of(item.at("phase").get<std::string>(), k_phases),
                       .reason = item.at("reason").get<std::string>(),
                       .nodes = expand_nodes(item.at("nodes").get<std::string>(), k_nodes_max)};
            if (!item.at("end").is_null()) {
                const auto end = parse_end(item.at("end").get<std::string>());
                row.end = end ? *end : End::vanished;
            }
            rows.push_back(std::move(row));
        }
        return rows;
    });
}

// --- The site --------------------------------------------------------------------------------

SiteView view_of(const Model& model, std::vector<Node> nodes) {
    SiteView view{.name = model.name,
                  .pace = model.pace,
                  .plays = !model.runs_commands,
                  .partitions = {},
                  .nodes = std::move(nodes)};
    for (const auto& queue : model.queues) {
        PartitionRow row{
            .name = queue.name, .is_default = queue.is_default, .longest = queue.longest};
        for (std::size_t i = 0; i < model.groups.size(); ++i) {
            const auto& group = model.groups[i];
            if ((queue.groups >> i & 1) == 0) {
                continue;
            }
            row.nodes += group.count;
            row.cores = std::max(row.cores, group.cores);
            row.memory_bytes = std::max(row.memory_bytes, group.memory_bytes);
            row.gpus = group.gpus.count > row.gpus.count ? group.gpus : row.gpus;
        }
        view.partitions.push_back(std::move(row));
    }
    return view;
}

std::string to_text(const SiteView& view) {
    auto partitions = json::array();
    for (const auto& row : view.partitions) {
        partitions.push_back({{"name", row.name},
                              {"default", row.is_default},
                              {"longest_ms", row.longest ? json(row.longest->count()) : json()},
                              {"nodes", row.nodes},
                              {"cores", row.cores},
                              {"memory_bytes", row.memory_bytes},
                              {"gpus", row.gpus.count},
                              {"gpu_type", row.gpus.type}});
    }
    auto nodes = json::array();
    for (const auto& node : view.nodes) {
        nodes.push_back({{"name", node.name},
                         {"state", to_string(node.state)},
                         {"cores", node.cores},
                         {"memory_bytes", node.memory_bytes},
                         {"gpus", node.gpus.count},
                         {"gpu_type", node.gpus.type},
                         {"partitions", node.partitions},
                         {"held", node.held ? json(node.hold_reason) : json()},
                         {"reason", node.reason}});
    }
    return dump({{"name", view.name},
                 {"clock", to_string(view.pace)},
                 {"plays", view.plays},
                 {"partitions", std::move(partitions)},
                 {"nodes", std::move(nodes)}});
}

namespace {

PartitionRow partition_of(const json& item) {
    PartitionRow row{.name = item.at("name").get<std::string>(),
                     .is_default = item.at("default").get<bool>(),
                     .nodes = item.at("nodes").get<int>(),
                     .cores = item.at("cores").get<int>(),
                     .memory_bytes = item.at("memory_bytes").get<std::uint64_t>(),
                     .gpus = {.count = item.at("gpus").get<int>(),
                              .type = item.at("gpu_type").get<std::string>()}};
    if (!item.at("longest_ms").is_null()) {
        row.longest = Duration(item.at("longest_ms").get<std::int64_t>());
    }
    return row;
}

Node node_of(const json& item) {
    Node node{.name = item.at("name").get<std::string>(),
              .state = word_of(item.at("state").get<std::string>(), k_node_states),
              .cores = item.at("cores").get<int>(),
              .memory_bytes = item.at("memory_bytes").get<std::uint64_t>(),
              .gpus = {.count = item.at("gpus").get<int>(),
                       .type = item.at("gpu_type").get<std::string>()},
              .partitions = item.at("partitions").get<std::vector<std::string>>(),
              .held = !item.at("held").is_null(),
              .reason = item.at("reason").get<std::string>()};
    node.hold_reason = node.held ? item.at("held").get<std::string>() : "";
    return node;
}

}  // namespace

Result<SiteView> read_site_view(std::string_view text) {
    return read_json(text, "site", [](const json& document) {
        SiteView view{.name = document.at("name").get<std::string>(),
                      .pace = word_of(document.at("clock").get<std::string>(), k_paces),
                      .plays = document.at("plays").get<bool>(),
                      .partitions = {},
                      .nodes = {}};
        for (const auto& item : document.at("partitions")) {
            view.partitions.push_back(partition_of(item));
        }
        for (const auto& item : document.at("nodes")) {
            view.nodes.push_back(node_of(item));
        }
        return view;
    });
}

std::string forecast_text(const Forecast& forecast, std::optional<core::WallTime> start) {
    return dump({{"start", start ? json(core::rfc3339(*start)) : json()},
                 {"nodes", compress_nodes(forecast.nodes)},
                 {"why", forecast.why}});
}

Result<Outlook> read_forecast(std::string_view text) {
    return read_json(text, "outlook", [](const json& document) {
        Outlook outlook{.where = document.at("nodes").get<std::string>(),
                        .why = document.at("why").get<std::string>()};
        if (!document.at("start").is_null()) {
            const auto start = core::parse_rfc3339(document.at("start").get<std::string>());
            outlook.start = start ? std::optional(*start) : std::nullopt;
        }
        return outlook;
    });
}

std::string id_text(int id) {
    return dump({{"id", id}});
}

Result<int> read_id(std::string_view text) {
    return read_json(text, "number",
                     [](const json& document) { return document.at("id").get<int>(); });
}

}  // namespace sust::cluster::simulated
