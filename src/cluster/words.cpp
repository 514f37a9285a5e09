#include "cluster/words.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cluster/word_json.h"
#include "core/secret.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::size_t k_detail_bytes_max = 1024;
constexpr std::array<std::string_view, 8> k_reasons = {"exited",    "signalled",    "time_limit",
                                                       "cancelled", "fenced",       "cannot_start",
                                                       "stopped",   "out_of_memory"};

double seconds(Duration duration) {
    return static_cast<double>(duration.count()) / 1000.0;
}
Duration duration(double seconds) {
    return Duration(std::llround(seconds * 1000.0));
}

core::ProcessId process_at(const json& document, const char* key) {
    auto id = core::process_id_from_json(document.at(key));
    if (!id) {
        throw std::invalid_argument(std::string(key) + ": " + id.error().message);
    }
    return *id;
}

Shape shape_of(const json& document) {
    return {.nodes = document.at("nodes").get<int>(),
            .tasks_per_node = document.at("tasks_per_node").get<int>(),
            .cpus_per_task = document.at("cpus_per_task").get<int>(),
            .memory_bytes = document.at("memory_bytes").get<std::uint64_t>(),
            .gpus = {.count = document.at("gpus").get<int>(),
                     .type = document.at("gpu_type").get<std::string>()}};
}

void check_identity(const json& document, const Token& token, std::int64_t epoch) {
    if (document.at("token").get<std::string>() != token.value ||
        document.at("epoch").get<std::int64_t>() != epoch) {
        throw std::invalid_argument("belongs to another job or attempt");
    }
}

}  // namespace

namespace {

json mounts_json(const std::vector<Mount>& mounts) {
    auto list = json::array();
    for (const auto& mount : mounts) {
        list.push_back({{"source", mount.source.string()},
                        {"target", mount.target.string()},
                        {"read_only", mount.read_only}});
    }
    return list;
}

json inputs_json(const std::map<std::string, Path>& inputs) {
    auto places = json::object();
    for (const auto& [name, path] : inputs) {
        places[name] = path.string();
    }
    return places;
}

json outputs_json(const std::vector<Path>& outputs) {
    auto list = json::array();
    for (const auto& path : outputs) {
        list.push_back(path.string());
    }
    return list;
}

void read_places(const json& document, JobSpec& spec) {  // absent: none
    const auto inputs = document.value("inputs", json::object());
    for (const auto& [name, path] : inputs.items()) {
        spec.inputs[name] = path.get<std::string>();
    }
    for (const auto& path : document.value("outputs", json::array())) {
        spec.outputs.emplace_back(path.get<std::string>());
    }
}

}  // namespace

std::string_view to_string(ExitReason reason) {
    return k_reasons[static_cast<std::size_t>(reason)];
}

std::string job_text(const JobWord& word) {
    const auto& spec = word.spec;
    return dump_word({{"format", k_word_format},
                      {"token", spec.token.value},
                      {"name", spec.name},
                      {"argv", spec.argv},
                      {"environment", spec.environment},
                      {"workdir", spec.workdir.string()},
                      {"time_limit_seconds", seconds(spec.time_limit)},
                      {"stop_grace_seconds", seconds(spec.stop_grace)},
                      {"notice_seconds", seconds(spec.notice)},
                      {"nodes", spec.shape.nodes},
                      {"tasks_per_node", spec.shape.tasks_per_node},
                      {"cpus_per_task", spec.shape.cpus_per_task},
                      {"memory_bytes", spec.shape.memory_bytes},
                      {"gpus", spec.shape.gpus.count},
                      {"gpu_type", spec.shape.gpus.type},
                      {"image", spec.image},
                      {"priority", spec.priority},
                      {"partition", spec.partition},
                      {"account", spec.account},
                      {"queue", spec.queue},
                      {"principal", spec.principal},
                      {"labels", spec.labels},
                      {"options", spec.options},
                      {"exclude_nodes", spec.exclude_nodes},
                      {"mounts", mounts_json(spec.mounts)},
                      {"inputs", inputs_json(spec.inputs)},
                      {"outputs", outputs_json(spec.outputs)},
                      {"log_bytes", word.log_bytes},
                      {"launcher", word.launcher}});
}

Result<std::optional<JobWord>> read_job(const JobFiles& files) {
    return read_word(files.job(), k_job_bytes_max, [&](const json& document) {
        JobWord word;
        auto& spec = word.spec;
        spec.token.value = document.at("token").get<std::string>();
        if (spec.token.value != files.path.filename()) {
            throw std::invalid_argument("belongs to another job");
        }
        spec.name = document.at("name").get<std::string>();
        spec.argv = document.at("argv").get<std::vector<std::string>>();
        spec.environment = document.at("environment").get<core::Environment>();
        spec.workdir = document.at("workdir").get<std::string>();
        spec.time_limit = duration(document.at("time_limit_seconds").get<double>());
        spec.stop_grace = duration(document.at("stop_grace_seconds").get<double>());
        spec.notice = duration(document.at("notice_seconds").get<double>());
        spec.shape = shape_of(document);
        document.at("image").get_to(spec.image);
        document.at("priority").get_to(spec.priority);
        document.at("partition").get_to(spec.partition);
        document.at("account").get_to(spec.account);
        document.at("queue").get_to(spec.queue);
        document.at("principal").get_to(spec.principal);
        document.at("labels").get_to(spec.labels);
        document.at("options").get_to(spec.options);
        document.at("exclude_nodes").get_to(spec.exclude_nodes);
        for (const auto& mount : document.value("mounts", json::array())) {  // absent: none
            spec.mounts.push_back({.source = mount.at("source").get<std::string>(),
                                   .target = mount.at("target").get<std::string>(),
                                   .read_only = mount.at("read_only").get<bool>()});
        }
        read_places(document, spec);
        word.log_bytes = document.at("log_bytes").get<std::uint64_t>();
        word.launcher = document.value("launcher", word.launcher);  // absent: none
        if (auto checked = check_spec(spec); !checked) {
            throw std::invalid_argument(core::to_string(checked.error()));
        }
        return word;
    });
}

std::string attempt_text(const AttemptWord& word) {
    return dump_word({{"format", k_word_format},
                      {"token", word.token.value},
                      {"epoch", word.epoch},
                      {"host", word.host},
                      {"wrapper", word.wrapper},
                      {"child", word.child},
                      {"started", core::rfc3339(word.started)}});
}

Result<std::optional<AttemptWord>> read_attempt(const AttemptFiles& files, const Token& token,
                                                std::int64_t epoch) {
    return read_word(files.attempt(), k_word_bytes_max, [&](const json& document) {
        check_identity(document, token, epoch);
        return AttemptWord{.token = token,
                           .epoch = epoch,
                           .host = document.at("host").get<std::string>(),
                           .wrapper = process_at(document, "wrapper"),
                           .child = process_at(document, "child"),
                           .started = time_at(document, "started")};
    });
}

std::string exit_text(const ExitWord& word) {
    return dump_word({{"format", k_word_format},
                      {"token", word.token.value},
                      {"epoch", word.epoch},
                      {"status", word.status},
                      {"signal", word.signal == 0 ? json() : json(word.signal)},
                      {"reason", to_string(word.reason)},
                      {"detail", word.detail.substr(0, k_detail_bytes_max)},
                      {"started", core::rfc3339(word.started)},
                      {"finished", core::rfc3339(word.finished)},
                      {"max_rss_bytes", word.max_rss_bytes},
                      {"cpu_seconds", word.cpu_seconds},
                      {"leftovers", word.leftovers}});
}

namespace {

ExitWord exit_of(const json& document, const Token& token, std::int64_t epoch) {
    check_identity(document, token, epoch);
    const auto reason = document.at("reason").get<std::string>();
    const auto* found = std::find(k_reasons.begin(), k_reasons.end(), reason);
    if (found == k_reasons.end()) {
        throw std::invalid_argument("reason is none that this program knows");
    }
    const auto& signal = document.at("signal");
    return ExitWord{.token = token,
                    .epoch = epoch,
                    .status = document.at("status").get<int>(),
                    .signal = signal.is_null() ? 0 : signal.get<int>(),
                    .reason = static_cast<ExitReason>(found - k_reasons.begin()),
                    .detail = document.at("detail").get<std::string>(),
                    .started = time_at(document, "started"),
                    .finished = time_at(document, "finished"),
                    .max_rss_bytes = document.at("max_rss_bytes").get<std::uint64_t>(),
                    .cpu_seconds = document.at("cpu_seconds").get<double>(),
                    .leftovers = document.at("leftovers").get<int>()};
}

}  // namespace

Result<std::optional<ExitWord>> read_exit(const AttemptFiles& files, const Token& token,
                                          std::int64_t epoch) {
    return read_word(files.exit(), k_word_bytes_max,
                     [&](const json& document) { return exit_of(document, token, epoch); });
}

Result<ExitWord> parse_exit(std::string_view text, const Token& token, std::int64_t epoch) {
    if (text.size() > k_word_bytes_max) {
        return fail(Fault::invalid, "longer than an end may be told");
    }
    return parse_word(text, "exit.json",
                      [&](const json& document) { return exit_of(document, token, epoch); });
}

std::string orders_text(const Orders& word) {
    return dump_word(
        {{"format", k_word_format},
         {"exclude_nodes", word.exclude_nodes},
         {"time_limit_seconds", word.time_limit ? json(seconds(*word.time_limit)) : json()}});
}

Result<std::optional<Orders>> read_orders(const AttemptFiles& files) {
    return read_word(files.orders(), k_job_bytes_max, [](const json& document) {
        Orders orders{.exclude_nodes =
                          document.at("exclude_nodes").get<std::vector<std::string>>()};
        if (const auto& limit = document.at("time_limit_seconds"); !limit.is_null()) {
            orders.time_limit = duration(limit.get<double>());
        }
        return orders;
    });
}

std::string verdict_text(const VerdictWord& word) {
    return dump_word({{"format", k_word_format},
                      {"end", to_string(word.end)},
                      {"reason", word.reason.substr(0, k_detail_bytes_max)},
                      {"time", core::rfc3339(word.time)}});
}

Result<std::optional<VerdictWord>> read_verdict(const AttemptFiles& files) {
    return read_word(files.verdict(), k_word_bytes_max, [](const json& document) {
        const auto end = parse_end(document.at("end").get<std::string>());
        if (!end) {
            throw std::invalid_argument(end.error().message);
        }
        return VerdictWord{.end = *end,
                           .reason = document.at("reason").get<std::string>(),
                           .time = time_at(document, "time")};
    });
}

// A link has its whole text or is not there, and only one of several is made.
Result<void> write_failed_once(const AttemptFiles& files, const FailedWord& word) {
    const auto bytes = core::random_bytes(8);
    const auto mark = core::to_hex({reinterpret_cast<const unsigned char*>(bytes.data()), 8});
    const Path own = files.failed().string() + "." + mark;
    TRY(core::write_file(
        own,
        dump_word({{"format", k_word_format}, {"status", word.status}, {"signal", word.signal}}),
        0600));
    const bool made = ::link(own.c_str(), files.failed().c_str()) == 0;
    const int code = errno;
    ::unlink(own.c_str());
    return made || code == EEXIST
               ? Result<void>()
               : Result<void>(core::fail_errno("make " + files.failed().string(), code));
}

Result<std::optional<FailedWord>> read_failed(const AttemptFiles& files) {
    return read_word(files.failed(), k_word_bytes_max, [](const json& document) {
        constexpr int k_status_max = 255;
        constexpr int k_signal_max = 64;
        return FailedWord{.status = std::clamp(document.at("status").get<int>(), 0, k_status_max),
                          .signal = std::clamp(document.at("signal").get<int>(), 0, k_signal_max)};
    });
}

}  // namespace sust::cluster
