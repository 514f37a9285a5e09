#include "cluster/slurm/rest_words.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::cluster::slurm {

using nlohmann::json;

namespace {

constexpr std::uint64_t k_mib = 1 << 20;

std::string text_of(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// sbatch's names, and slurmrestd's; what is not here it does not take.
const std::map<std::string_view, const char*>& plain_names() {
    static const std::map<std::string_view, const char*> k_names = {
        {"constraint", "constraints"},
        {"reservation", "reservation"},
        {"qos", "qos"},
        {"licenses", "licenses"},
        {"exclusive", "exclusive"},
        {"gres", "gres"},
        {"mem-bind", "memory_binding"},
        {"hint", "cpu_binding_hint"},
        {"cores-per-socket", "cores_per_socket"},
        {"threads-per-core", "threads_per_core"},
        {"wckey", "wckey"},
    };
    return k_names;
}

// Likewise. `exclusive`, `gres`, `contiguous` and numbers have shapes of their own there.
const std::map<std::string_view, const char*>& structured_names() {
    static const std::map<std::string_view, const char*> k_names = {
        {"constraint", "constraints"},
        {"reservation", "reservation"},
        {"qos", "qos"},
        {"licenses", "licenses"},
        {"exclusive", "shared"},
        {"gres", "tres_per_node"},
        {"threads-per-core", "threads_per_core"},
        {"wckey", "wckey"},
        {"contiguous", "contiguous"},
    };
    return k_names;
}

json number_of(std::uint64_t value) {
    return {{"set", true}, {"infinite", false}, {"number", value}};
}

// "gpu:2,nvme:1" -> "gres/gpu:2,gres/nvme:1", which is how TRES are named.
std::string tres_of_gres(std::string_view gres) {
    std::vector<std::string> named;
    for (const auto& one : core::split(gres, ',')) {
        named.push_back(one.starts_with("gres/") ? one : "gres/" + one);
    }
    return core::join(named, ",");
}

std::uint64_t minutes_of(Duration time) {
    const auto minutes = std::chrono::ceil<std::chrono::minutes>(time).count();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(1, minutes));
}

// What both shapes have in common.
json common_of(const Submission& submission) {
    const auto& resources = submission.resources;
    const auto nodes = std::to_string(resources.nodes);
    json job = {{"name", submission.name},
                {"comment", submission.comment},
                {"current_working_directory", submission.directory.string()},
                {"standard_output", submission.log.string()},
                // A list of two numbers would be read as one node.
                {"nodes", nodes + "-" + nodes},
                {"tasks", resources.nodes},
                {"tasks_per_node", 1},
                {"cpus_per_task", resources.cpus}};
    const auto add = [&](const char* key, const std::string& value) {
        if (!value.empty()) {
            job[key] = value;
        }
    };
    add("partition", resources.partition);
    add("account", resources.account);
    add("qos", resources.qos);
    if (resources.nice > 0) {
        job["nice"] = resources.nice;
    }
    return job;
}

std::string gpus_of(const Gpus& gpus) {
    return fmt::format("{}{}{}", gpus.type, gpus.type.empty() ? "" : ":", gpus.count);
}

constexpr const char* k_path = "/usr/local/bin:/usr/bin:/bin";

std::string plain_text(const Submission& submission) {
    const auto& resources = submission.resources;
    auto job = common_of(submission);
    job["open_mode"] = "append";
    // Attempts are ours to count: Slurm starts each once. (`requeue` is taken and ignored.)
    job["no_requeue"] = true;
    // It may not be empty; the script says the rest.
    job["environment"] = {{"PATH", k_path}};
    job["time_limit"] = minutes_of(resources.time);
    if (resources.memory_bytes > 0) {
        job["memory_per_node"] = (resources.memory_bytes + k_mib - 1) / k_mib;
    }
    if (resources.gpus.count > 0) {
        job["gpus_per_node"] = gpus_of(resources.gpus);
    }
    for (const auto& [name, value] : resources.options) {
        if (const auto known = plain_names().find(name); known != plain_names().end()) {
            job[known->second] = name == "exclusive" && value.empty() ? "exclusive" : value;
        }
    }
    return text_of({{"script", submission.script}, {"job", std::move(job)}});
}

// One option in the shape that its field has.
void say(json& job, const char* field, const std::string& name, const std::string& value) {
    if (name == "exclusive") {
        job[field] = json::array({value.empty() ? "none" : value});
    } else if (name == "contiguous") {
        job[field] = true;
    } else if (name == "threads-per-core") {
        job[field] = core::parse_integer(value).value_or(0);
    } else if (name == "gres") {
        auto all = tres_of_gres(value);
        if (job.contains(field)) {
            all = job[field].get<std::string>() + "," + all;
        }
        job[field] = all;
    } else {
        job[field] = value;
    }
}

std::string structured_text(const Submission& submission) {
    const auto& resources = submission.resources;
    auto job = common_of(submission);
    job["script"] = submission.script;
    job["open_mode"] = json::array({"APPEND"});
    job["requeue"] = false;
    job["environment"] = json::array({std::string("PATH=") + k_path});
    job["time_limit"] = number_of(minutes_of(resources.time));
    if (resources.memory_bytes > 0) {
        job["memory_per_node"] = number_of((resources.memory_bytes + k_mib - 1) / k_mib);
    }
    if (resources.gpus.count > 0) {
        job["tres_per_node"] = "gres/gpu:" + gpus_of(resources.gpus);
    }
    if (!resources.exclude_nodes.empty()) {
        job["excluded_nodes"] = resources.exclude_nodes;
    }
    for (const auto& [name, value] : resources.options) {
        const auto known = structured_names().find(name);
        if (known != structured_names().end()) {
            say(job, known->second, name, value);
        }
    }
    return text_of({{"job", std::move(job)}});
}

}  // namespace

bool says_option(const RestVersion& version, std::string_view option) {
    return (version.structured ? structured_names() : plain_names()).count(option) > 0;
}

std::string submit_text(const RestVersion& version, const Submission& submission) {
    return version.structured ? structured_text(submission) : plain_text(submission);
}

std::string cancel_text(const std::string& id, const std::string& user) {
    return text_of({{"jobs", json::array({id})}, {"user_name", user}});
}

std::string drain_text(const std::string& reason) {
    return text_of({{"state", json::array({"DRAIN"})}, {"reason", reason}});
}

std::string resume_text() {
    return text_of({{"state", json::array({"RESUME"})}});
}

}  // namespace sust::cluster::slurm
