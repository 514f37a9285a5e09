#include "control/job.h"

#include <algorithm>
#include <array>
#include <set>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::control {

using cluster::End;
using nlohmann::json;

namespace {

constexpr std::array<std::string_view, 5> k_phases = {"planned", "active", "pausing", "publishing",
                                                      "ended"};

json time_json(core::WallTime at) {
    return at == core::WallTime{} ? json() : json(core::rfc3339(at));
}

json attempt_json(const Attempt& attempt) {
    return {{"epoch", attempt.epoch},
            {"end", to_string(attempt.end)},
            {"reason", attempt.reason},
            {"exit_status", attempt.exit_status ? json(*attempt.exit_status) : json()},
            {"nodes", attempt.nodes},
            {"started", time_json(attempt.started)},
            {"finished", time_json(attempt.finished)}};
}

core::WallTime time_of(const json& value) {
    const auto time = value.is_string() ? core::parse_rfc3339(value.get<std::string>())
                                        : core::Result<core::WallTime>(core::WallTime{});
    return time.value_or(core::WallTime{});
}

Attempt attempt_of(const json& value) {
    Attempt attempt{
        .epoch = value.at("epoch").get<std::int64_t>(),
        .end = cluster::parse_end(value.at("end").get<std::string>()).value_or(End::vanished),
        .reason = value.at("reason").get<std::string>(),
        .nodes = value.at("nodes").get<std::vector<std::string>>(),
        .started = time_of(value.at("started")),
        .finished = time_of(value.at("finished"))};
    if (!value.at("exit_status").is_null()) {
        attempt.exit_status = value.at("exit_status").get<int>();
    }
    return attempt;
}

// While the back end has it, its state is the attempt's.
std::string_view state_of(const Job& job) {
    switch (job.phase) {
        case JobPhase::ended:
            return to_string(cluster::State::ended);
        case JobPhase::active:
            // An ended attempt of an active job is about to be judged.
            return is_final(job.status.state) ? to_string(cluster::State::stopping)
                                              : to_string(job.status.state);
        case JobPhase::publishing:
            return to_string(cluster::State::stopping);
        case JobPhase::planned:
        case JobPhase::pausing:
            break;
    }
    return to_string(cluster::State::planned);
}

std::string reason_of(const Job& job) {
    if (!job.trouble.empty()) {
        return job.trouble;
    }
    if (job.phase == JobPhase::publishing) {
        return "its outputs are being published";
    }
    return job.phase == JobPhase::ended && !job.attempts.empty() ? job.attempts.back().reason
                                                                 : job.status.reason;
}

}  // namespace

std::string_view to_string(JobPhase phase) {
    return k_phases[static_cast<std::size_t>(phase)];
}

std::optional<JobPhase> parse_job_phase(std::string_view text) {
    const auto* found = std::find(k_phases.begin(), k_phases.end(), text);
    return found == k_phases.end() ? std::nullopt
                                   : std::optional(static_cast<JobPhase>(found - k_phases.begin()));
}

std::optional<End> end_of(const Job& job) {
    if (job.phase != JobPhase::ended) {
        return {};
    }
    if (!job.artifacts.trouble.empty()) {
        return job.cancel_wanted ? End::cancelled : End::failed;
    }
    // A wish that came between two attempts ended the job, and not the attempt before it.
    const bool between = job.cancel_wanted && !job.attempts.empty() &&
                         job.attempts.back().end != End::completed &&
                         job.attempts.back().epoch < job.epoch;
    if (between || (job.attempts.empty() && job.cancel_wanted)) {
        return End::cancelled;
    }
    return job.attempts.empty() ? End::start_failed : job.attempts.back().end;
}

core::Duration time_used(const Job& job) {
    core::Duration used{};
    for (const auto& attempt : job.attempts) {
        if (attempt.started != core::WallTime{} && attempt.finished > attempt.started) {
            used += attempt.finished - attempt.started;
        }
    }
    return used;
}

std::vector<std::string> bad_nodes(const Job& job, const std::vector<cluster::Node>& known) {
    using cluster::NodeState;
    std::set<std::string> useless;
    for (const auto& node : known) {
        if (node.state == NodeState::down || node.state == NodeState::draining ||
            node.state == NodeState::drained) {
            useless.insert(node.name);
        }
    }
    std::set<std::string> bad;
    for (const auto& attempt : job.attempts) {
        if (attempt.end != End::node_lost && attempt.end != End::vanished &&
            attempt.end != End::start_failed) {
            continue;
        }
        for (const auto& node : attempt.nodes) {
            if (attempt.nodes.size() == 1 || useless.contains(node)) {
                bad.insert(node);
            }
        }
    }
    return {bad.begin(), bad.end()};
}

void to_json(json& out, const Job& job) {
    const auto end = end_of(job);
    const auto& last = job.attempts;
    const bool live = job.phase == JobPhase::active;
    out = {
        {"id", job.id},
        {"name", job.request.name},
        {"backend", job.placement.backend},
        {"state", state_of(job)},
        {"final", job.phase == JobPhase::ended},
        {"end", end ? json(to_string(*end)) : json()},
        {"exit_status",
         end && !last.empty() && last.back().exit_status ? json(*last.back().exit_status) : json()},
        {"reason", reason_of(job)},
        {"source", to_string(live ? job.status.source : cluster::Source::none)},
        {"observed", live ? time_json(job.status.observed) : json()},
        {"epoch", job.epoch},
        {"retries", job.retries},
        {"nodes", live ? json(job.status.nodes) : json::array()},
        {"attempts", json::array()},
        {"inputs", inputs_json(job.request.carried, job.artifacts)},
        {"outputs", outputs_json(job.request.carried, job.artifacts)},
        {"created", time_json(job.created)},
        {"started", last.empty() ? time_json(job.status.started) : time_json(last.front().started)},
        {"finished", time_json(job.finished)},
        {"next_try", job.phase == JobPhase::pausing ? time_json(job.next_try) : json()},
        {"request", json::parse(job.request.document, nullptr, false)}};
    for (const auto& attempt : job.attempts) {
        out["attempts"].push_back(attempt_json(attempt));
    }
}

std::string encode_course(const Job& job) {
    json course{{"retries", job.retries},
                {"cancel_wanted", job.cancel_wanted},
                {"trouble", job.trouble},
                {"next_try", time_json(job.next_try)},
                {"attempts", json::array()},
                {"artifacts", encode_artifacts(job.artifacts)},
                {"partition", job.placement.partition},
                {"account", job.placement.account},
                {"queue", job.placement.queue},
                {"time_limit_ms", job.placement.time_limit.count()}};
    for (const auto& attempt : job.attempts) {
        course["attempts"].push_back(attempt_json(attempt));
    }
    return course.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<void> decode_course(std::string_view text, Job& job) {
    try {
        const auto course = json::parse(text);
        job.retries = course.at("retries").get<int>();
        job.cancel_wanted = course.at("cancel_wanted").get<bool>();
        job.trouble = course.at("trouble").get<std::string>();
        job.next_try = time_of(course.at("next_try"));
        job.placement.partition = course.at("partition").get<std::string>();
        job.placement.account = course.at("account").get<std::string>();
        job.placement.queue = course.at("queue").get<std::string>();
        job.placement.time_limit =
            core::Duration(course.at("time_limit_ms").get<core::Duration::rep>());
        if (course.contains("artifacts")) {
            job.artifacts = decode_artifacts(course.at("artifacts"));
        }
        for (const auto& attempt : course.at("attempts")) {
            job.attempts.push_back(attempt_of(attempt));
        }
        return {};
    } catch (const std::exception& trouble) {
        return core::fail(core::Fault::internal,
                          "the kept job " + job.id + " cannot be read: " + trouble.what());
    }
}

}  // namespace sust::control
