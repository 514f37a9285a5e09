#include "cluster/job.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/inputs.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;

namespace {

constexpr std::array<std::string_view, 8> k_states = {"planned", "submitted", "queued", "starting",
                                                      "running", "stopping",  "ended",  "unknown"};
constexpr std::array<std::string_view, 9> k_ends = {"completed",     "failed",       "cancelled",
                                                    "time_limit",    "preempted",    "node_lost",
                                                    "out_of_memory", "start_failed", "vanished"};

// The kernel refuses one string over 128 KiB and all of them over about 2 MiB; below that, a
// specification is a file that every poll can read.
constexpr std::size_t k_text_bytes_max = std::size_t{512} * 1024;
constexpr std::size_t k_one_text_bytes_max = std::size_t{120} * 1024;

// Adds the size of `text` to `total`; NUL would cut the string where the kernel sees it.
Result<void> check_text(std::string_view field, std::string_view text, std::size_t& total) {
    if (text.find('\0') != std::string_view::npos) {
        return fail(Fault::invalid, "has a NUL byte", {.where = std::string(field)});
    }
    if (!core::is_utf8(text)) {
        return fail(Fault::invalid, "is not UTF-8", {.where = std::string(field)});
    }
    total += text.size() + 1;
    if (text.size() > k_one_text_bytes_max || total > k_text_bytes_max) {
        return fail(Fault::too_large,
                    fmt::format("is over the limit of {} KiB for one text and {} KiB for all",
                                k_one_text_bytes_max / 1024, k_text_bytes_max / 1024),
                    {.where = std::string(field), .hint = "pass large input in a file"});
    }
    return {};
}

Result<void> check_environment(const core::Environment& environment, std::size_t& total) {
    for (const auto& [name, value] : environment) {
        if (name.empty() || name.find('=') != std::string::npos) {
            return fail(Fault::invalid,
                        fmt::format("'{}' is no name of a variable", core::printable(name)),
                        {.where = "environment"});
        }
        TRY(check_text("environment", name, total));
        TRY(check_text("environment", value, total));
    }
    return {};
}

Result<void> check_range(std::string_view field, std::int64_t value, std::int64_t low,
                         std::int64_t high) {
    return value >= low && value <= high
               ? Result<void>()
               : fail(Fault::invalid, fmt::format("{} is not between {} and {}", value, low, high),
                      {.where = std::string(field)});
}

// Far above any machine; they keep products of them in range.
Result<void> check_shape(const Shape& shape) {
    TRY(check_range("nodes", shape.nodes, 1, 100'000));
    TRY(check_range("tasks_per_node", shape.tasks_per_node, 1, 10'000));
    TRY(check_range("cpus_per_task", shape.cpus_per_task, 0, 10'000));
    return check_range("gpus", shape.gpus.count, 0, 1'000);
}

// Words of a scheduler end in its command lines, environment and manifests.
Result<void> check_word(std::string_view field, std::string_view word) {
    constexpr std::size_t k_word_max = 128;
    const bool fine =
        word.size() <= k_word_max && std::all_of(word.begin(), word.end(), [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                   std::string_view("._-:/@+").find(c) != std::string_view::npos;
        });
    return fine && (word.empty() || word.front() != '-')
               ? Result<void>()
               : fail(Fault::invalid, fmt::format("'{}' is no word", core::printable(word, 80)),
                      {.where = std::string(field),
                       .hint = "letters, digits and ._-:/@+, at most 128, not beginning with '-'"});
}

Result<void> check_mounts(const std::vector<Mount>& mounts, std::size_t& total) {
    for (const auto& mount : mounts) {
        TRY(check_text("mounts", mount.source.native(), total));
        TRY(check_text("mounts", mount.target.native(), total));
        if (!mount.source.is_absolute() || !mount.target.is_absolute()) {
            return fail(Fault::invalid, "must be absolute paths", {.where = "mounts"});
        }
    }
    return {};
}

Result<void> check_words(const JobSpec& spec) {
    constexpr std::size_t k_count_max = 1'000;
    TRY(check_word("image", spec.image));
    TRY(check_word("partition", spec.partition));
    TRY(check_word("account", spec.account));
    TRY(check_word("queue", spec.queue));
    TRY(check_word("principal", spec.principal));
    TRY(check_word("gpus.type", spec.shape.gpus.type));
    for (const auto& node : spec.exclude_nodes) {
        TRY(check_word("exclude_nodes", node));
    }
    if (spec.exclude_nodes.size() > k_count_max || spec.labels.size() > k_count_max) {
        return fail(Fault::too_large, fmt::format("more than {}", k_count_max),
                    {.where = spec.labels.size() > k_count_max ? "labels" : "exclude_nodes"});
    }
    for (const auto& [name, value] : spec.labels) {
        TRY(check_word("labels", name));
        TRY(check_word("labels", value));
    }
    return {};
}

}  // namespace

Result<void> check_spec(const JobSpec& spec) {
    TRY(core::check_name("job token", spec.token.value));
    if (spec.argv.empty() || spec.argv.front().empty()) {
        return fail(Fault::invalid, "a job needs a command", {.where = "argv"});
    }
    std::size_t total = 0;
    TRY(check_text("name", spec.name, total));
    for (const auto& word : spec.argv) {
        TRY(check_text("argv", word, total));
    }
    TRY(check_environment(spec.environment, total));
    TRY(check_text("workdir", spec.workdir.native(), total));
    if (!spec.workdir.empty() && !spec.workdir.is_absolute()) {
        return fail(Fault::invalid, "must be an absolute path", {.where = "workdir"});
    }
    if (spec.time_limit <= Duration::zero() || spec.stop_grace < Duration::zero()) {
        return fail(Fault::invalid, "a time limit is positive, a grace is not negative",
                    {.where = "time_limit"});
    }
    if (spec.notice < Duration::zero() || spec.notice >= spec.time_limit) {
        return fail(Fault::invalid, "must be shorter than the time limit", {.where = "notice"});
    }
    TRY(check_range("priority", spec.priority, k_priority_min, k_priority_max));
    TRY(check_shape(spec.shape));
    TRY(check_mounts(spec.mounts, total));
    TRY(check_places(spec.inputs, spec.outputs));
    TRY(check_words(spec));
    for (const auto& [name, value] : spec.options) {
        TRY(check_text("options", name, total));
        TRY(check_text("options", value, total));
    }
    return {};
}

std::string_view to_string(State state) {
    return k_states[static_cast<std::size_t>(state)];
}

bool is_final(State state) {
    return state == State::ended;
}

std::string_view to_string(End end) {
    return k_ends[static_cast<std::size_t>(end)];
}

Result<End> parse_end(std::string_view text) {
    const auto* found = std::find(k_ends.begin(), k_ends.end(), text);
    if (found == k_ends.end()) {
        return fail(Fault::invalid, fmt::format("'{}' is no end of a job", core::printable(text)));
    }
    return static_cast<End>(found - k_ends.begin());
}

bool was_lost(const JobStatus& status) {
    return has_ended_with(status, End::vanished) || has_ended_with(status, End::node_lost) ||
           has_ended_with(status, End::preempted);
}

bool has_ended_with(const JobStatus& status, End end) {
    return status.state == State::ended && status.end == end;
}

std::string_view to_string(Source source) {
    switch (source) {
        case Source::none:
            return "none";
        case Source::scheduler:
            return "scheduler";
        case Source::wrapper:
            return "wrapper";
    }
    return "none";
}

void to_json(nlohmann::json& json, const JobStatus& status) {
    const auto time = [](core::WallTime at) {
        return at == core::WallTime{} ? nlohmann::json() : nlohmann::json(core::rfc3339(at));
    };
    json = {{"token", status.token.value},
            {"name", status.name},
            {"state", to_string(status.state)},
            {"end", nullptr},
            {"source", to_string(status.source)},
            {"observed", time(status.observed)},
            {"epoch", status.epoch},
            {"exit_status", nullptr},
            {"reason", status.reason},
            {"started", time(status.started)},
            {"finished", time(status.finished)},
            {"nodes", status.nodes}};
    if (status.end) {
        json["end"] = to_string(*status.end);
    }
    if (status.exit_status) {
        json["exit_status"] = *status.exit_status;
    }
}

}  // namespace sust::cluster
