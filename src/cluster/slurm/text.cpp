#include "cluster/slurm/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "cluster/node_names.h"
#include "core/text.h"

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;

namespace {

constexpr std::string_view k_mark = "sust:";

// At most `count` fields of the line; the last one keeps what is left.
std::vector<std::string_view> fields(std::string_view line, std::size_t count) {
    std::vector<std::string_view> parts;
    parts.reserve(count);
    while (parts.size() + 1 < count) {
        const auto bar = line.find('|');
        if (bar == std::string_view::npos) {
            break;
        }
        parts.push_back(core::trim(line.substr(0, bar)));
        line.remove_prefix(bar + 1);
    }
    parts.push_back(core::trim(line));
    return parts;
}

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

NodeState node_state(std::string_view text) {
    // A star: it does not answer; other marks tell of power and maintenance.
    std::string name(text.substr(0, text.find_first_of("*~#!%$@^-+")));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (text.find('*') != std::string_view::npos || name.starts_with("down") ||
        name.starts_with("fail") || name == "error") {
        return NodeState::down;
    }
    static const std::map<std::string, NodeState, std::less<>> k_states = {
        {"idle", NodeState::idle},       {"allocated", NodeState::busy},
        {"mixed", NodeState::busy},      {"completing", NodeState::busy},
        {"reserved", NodeState::busy},   {"draining", NodeState::draining},
        {"drained", NodeState::drained}, {"maint", NodeState::drained},
    };
    const auto found = k_states.find(name);
    return found == k_states.end() ? NodeState::unknown : found->second;
}

}  // namespace

std::string comment_of(const Token& token, std::int64_t epoch) {
    return fmt::format("{}{}/{}", k_mark, token.value, epoch);
}

std::optional<std::pair<Token, std::int64_t>> parse_comment(std::string_view comment) {
    if (!comment.starts_with(k_mark)) {
        return {};
    }
    comment.remove_prefix(k_mark.size());
    const auto slash = comment.rfind('/');
    if (slash == std::string_view::npos) {
        return {};
    }
    const Token token{std::string(comment.substr(0, slash))};
    const auto epoch = core::parse_integer(comment.substr(slash + 1));
    if (!epoch || *epoch < 1 || !core::check_name("job token", token.value)) {
        return {};
    }
    return std::pair(token, *epoch);
}

std::vector<QueueRow> parse_queue(std::string_view text) {
    constexpr std::size_t k_fields = 6;
    std::vector<QueueRow> rows;
    for (const auto& line : core::split(text, '\n')) {
        const auto parts = fields(line, k_fields);
        if (parts.size() != k_fields) {
            continue;
        }
        auto ours = parse_comment(parts[5]);
        if (!ours) {
            continue;
        }
        rows.push_back({.id = std::string(parts[0]),
                        .token = std::move(ours->first),
                        .epoch = ours->second,
                        .user = std::string(parts[2]),
                        .state = std::string(parts[1]),
                        .reason = parts[4] == "None" ? "" : core::printable(parts[4], 200),
                        .nodes = expand_nodes(parts[3])});
    }
    return rows;
}

std::vector<PastRow> parse_past(std::string_view text) {
    constexpr std::size_t k_fields = 4;
    std::vector<PastRow> rows;
    for (const auto& line : core::split(text, '\n')) {
        auto parts = fields(line, k_fields);
        if (parts.size() != k_fields || !number(parts[0])) {
            continue;
        }
        const auto user = parts[2].substr(0, parts[2].find('('));  // "alice(1000)"
        rows.push_back({.id = std::string(parts[0]),
                        .name = std::string(parts[1]),
                        .user = std::string(user),
                        .state = std::string(parts[3])});
    }
    return rows;
}

std::vector<Partition> parse_partitions(std::string_view text) {
    constexpr std::size_t k_fields = 7;
    constexpr std::uint64_t k_mib = 1 << 20;
    std::map<std::string, Partition> found;  // a line per kind of node in a partition
    for (const auto& line : core::split(text, '\n')) {
        const auto parts = fields(line, k_fields);
        const auto longest =
            parts.size() == k_fields ? parse_time(parts[2]) : fail(Fault::invalid, "");
        if (!longest) {
            continue;
        }
        const bool is_default = parts[0].ends_with('*');
        const std::string name(is_default ? parts[0].substr(0, parts[0].size() - 1) : parts[0]);
        auto& partition = found[name];
        partition.name = name;
        partition.is_default = is_default;
        partition.up = parts[1] == "up";
        partition.longest = *longest;
        partition.nodes += static_cast<int>(number(parts[3]).value_or(0));
        partition.cores = std::max(partition.cores, static_cast<int>(number(parts[4]).value_or(0)));
        partition.memory_bytes =
            std::max(partition.memory_bytes,
                     static_cast<std::uint64_t>(number(parts[5]).value_or(0)) * k_mib);
        if (const auto gpus = parse_gres(parts[6]); gpus.count > partition.gpus.count) {
            partition.gpus = gpus;
        }
    }
    std::vector<Partition> partitions;
    for (auto& [name, partition] : found) {
        partitions.push_back(std::move(partition));
    }
    return partitions;
}

std::vector<Node> parse_nodes(std::string_view text, std::string_view prefix) {
    constexpr std::size_t k_fields = 7;
    constexpr std::uint64_t k_mib = 1 << 20;
    std::map<std::string, Node> found;
    for (const auto& line : core::split(text, '\n')) {
        const auto parts = fields(line, k_fields);
        if (parts.size() != k_fields || parts[0].empty()) {
            continue;
        }
        auto& node = found[std::string(parts[0])];
        node.name = parts[0];
        node.state = node_state(parts[1]);
        node.cores = static_cast<int>(number(parts[2]).value_or(0));
        node.memory_bytes = static_cast<std::uint64_t>(number(parts[3]).value_or(0)) * k_mib;
        node.gpus = parse_gres(parts[4]);
        node.partitions.emplace_back(parts[5]);
        const auto reason = parts[6] == "none" ? std::string() : core::printable(parts[6], 500);
        node.held = reason.starts_with(prefix);
        (node.held ? node.hold_reason : node.reason) =
            node.held ? reason.substr(prefix.size()) : reason;
    }
    std::vector<Node> nodes;
    for (auto& [name, node] : found) {
        nodes.push_back(std::move(node));
    }
    return nodes;
}

Result<std::optional<Duration>> parse_time(std::string_view text) {
    const auto wrong = [&] {
        return fail(Fault::invalid, "'" + core::printable(text, 40) + "' is no time of Slurm");
    };
    if (text == "infinite" || text == "UNLIMITED") {
        return std::optional<Duration>();
    }
    std::int64_t days = 0;
    if (const auto dash = text.find('-'); dash != std::string_view::npos) {
        const auto said = core::parse_integer(text.substr(0, dash));
        if (!said || *said < 0 || *said > 100'000) {
            return wrong();
        }
        days = *said;
        text.remove_prefix(dash + 1);
    }
    std::int64_t seconds = 0;
    const auto parts = core::split(text, ':');
    for (const auto& part : parts) {
        const auto value = core::parse_integer(part);
        if (!value || *value < 0 || *value > 100'000) {
            return wrong();
        }
        seconds = seconds * 60 + *value;
    }
    if (parts.size() > 3) {
        return wrong();
    }
    if (parts.size() == 1) {
        seconds *= 60;  // a number alone is minutes
    }
    return std::optional<Duration>(std::chrono::seconds(days * 86'400 + seconds));
}

Gpus parse_gres(std::string_view text) {
    for (const auto& item : core::split(text, ',')) {
        const auto parts = core::split(std::string_view(item).substr(0, item.find('(')), ':');
        if (parts.size() < 2 || parts[0] != "gpu") {
            continue;
        }
        return {.count = static_cast<int>(number(parts.back()).value_or(0)),
                .type = parts.size() > 2 ? parts[1] : ""};
    }
    return {};
}

std::optional<Outlook> parse_test_only(std::string_view text) {
    constexpr std::string_view k_start = " to start at ";
    constexpr std::string_view k_nodes = " on nodes ";
    const auto at = text.find(k_start);
    if (at == std::string_view::npos) {
        return {};
    }
    auto rest = text.substr(at + k_start.size());
    const auto stamp = std::string(rest.substr(0, rest.find(' ')));
    Outlook outlook{.why = "estimated by Slurm"};
    // Slurm tells local times, and its commands are run with TZ=UTC.
    if (const auto time = core::parse_rfc3339(stamp + ".000Z")) {
        outlook.start = *time;
    }
    if (const auto nodes = rest.find(k_nodes); nodes != std::string_view::npos) {
        rest.remove_prefix(nodes + k_nodes.size());
        outlook.where = core::printable(core::trim(rest.substr(0, rest.find('\n'))), 200);
    }
    return outlook;
}

bool is_hopeless(std::string_view reason) {
    static constexpr std::array<std::string_view, 11> k_never = {
        "PartitionNodeLimit",       "PartitionTimeLimit", "PartitionConfig",      "BadConstraints",
        "AccountNotAllowed",        "QOSNotAllowed",      "InvalidAccount",       "InvalidQOS",
        "DependencyNeverSatisfied", "MaxMemPerLimit",     "QOSMinCpuNotSatisfied"};
    if (std::find(k_never.begin(), k_never.end(), reason) != k_never.end()) {
        return true;
    }
    // "QOSMaxCpuPerJobLimit", "AssocMaxWallDurationPerJobLimit": of one job. The limits of a group
    // or a user are for now, until others of theirs have ended.
    return (reason.starts_with("QOSMax") || reason.starts_with("AssocMax")) &&
           (reason.find("PerJob") != std::string_view::npos ||
            reason.find("PerNode") != std::string_view::npos ||
            reason.find("WallDuration") != std::string_view::npos);
}

std::optional<End> end_of(std::string_view state) {
    static const std::map<std::string_view, End> k_ends = {
        {"COMPLETED", End::completed}, {"FAILED", End::failed},
        {"CANCELLED", End::cancelled}, {"TIMEOUT", End::time_limit},
        {"DEADLINE", End::time_limit}, {"NODE_FAIL", End::node_lost},
        {"BOOT_FAIL", End::node_lost}, {"PREEMPTED", End::preempted},
        {"REVOKED", End::cancelled},   {"OUT_OF_MEMORY", End::out_of_memory},
    };
    const auto found = k_ends.find(state.substr(0, state.find(' ')));  // "CANCELLED by 0"
    return found == k_ends.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace sust::cluster::slurm
