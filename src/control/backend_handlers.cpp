#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "control/json_body.h"
#include "control/routes.h"
#include "core/text.h"

namespace sust::control {

using nlohmann::json;

namespace {

// Seconds in which the jobs of a node may leave it.
constexpr std::int64_t k_drain_grace = 300;
constexpr std::int64_t k_drain_grace_max = 3600;

json node_json(const cluster::Scheduler& scheduler, const cluster::Node& node) {
    return {{"name", node.name},
            {"backend", scheduler.name()},
            {"state", to_string(node.state)},
            {"cores", node.cores},
            {"memory_bytes", node.memory_bytes},
            {"gpus", node.gpus.count},
            {"gpu_type", node.gpus.type},
            {"partitions", node.partitions},
            {"held", node.held},
            {"hold_reason", node.hold_reason},
            {"reason", node.reason},
            {"observed", core::rfc3339(node.observed)}};
}

// A back end that does not answer is left out of the list of all, and told when it is named.
Result<json> nodes_of(Desk& desk, const std::string& backend) {
    auto nodes = json::array();
    for (const auto& [name, scheduler] : desk.parts.backends.all()) {
        if (!backend.empty() && name != backend) {
            continue;
        }
        const auto found = scheduler->nodes();
        if (!found && !backend.empty()) {
            return tl::unexpected<core::Error>(found.error());
        }
        for (const auto& node : found.value_or(std::vector<cluster::Node>())) {
            nodes.push_back(node_json(*scheduler, node));
        }
    }
    return nodes;
}

Result<Answer> list_nodes(Desk& desk, Ask& ask) {
    const auto backend = ask.parameter("backend");
    if (!backend.empty()) {
        TRY(desk.parts.backends.find(backend));
    }
    const auto nodes = TRY(nodes_of(desk, backend));
    return Answer(json_answer(200, {{"items", nodes}, {"next", nullptr}}));
}

// A name may be there on several back ends; then the request has to say which.
Result<cluster::Scheduler*> scheduler_of(Desk& desk, const std::string& node,
                                         const std::string& backend) {
    if (!backend.empty()) {
        return desk.parts.backends.find(backend);
    }
    std::vector<std::string> names;
    for (const auto& found : TRY(nodes_of(desk, {}))) {
        if (found["name"] == node) {
            names.push_back(found["backend"]);
        }
    }
    if (names.size() != 1) {
        return fail(names.empty() ? Fault::not_found : Fault::conflict,
                    names.empty() ? "no node '" + core::printable(node, 80) + "'"
                                  : "node '" + node + "' is on " + core::join(names, ", "),
                    {.hint = names.empty() ? "sust node ls" : "name one with --backend"});
    }
    return desk.parts.backends.find(names.front());
}

cluster::Scheduler::Then<void> answer_with(const ExchangePtr& exchange, std::string node) {
    return [exchange, node = std::move(node)](const Result<void>& done) {
        finish(exchange, done ? Result<Response>(json_answer(200, {{"name", node}}))
                              : Result<Response>(tl::unexpected<core::Error>(done.error())));
    };
}

// What stays is no failure of the request: whoever asked is told and decides.
cluster::Scheduler::Then<cluster::Drained> answer_with_drained(const ExchangePtr& exchange,
                                                               std::string node) {
    return [exchange, node = std::move(node)](const Result<cluster::Drained>& drained) {
        if (!drained) {
            return finish(exchange, tl::unexpected<core::Error>(drained.error()));
        }
        auto parts = json::array();
        bool all = true;
        for (const auto& part : drained->parts) {
            all = all && part.gone;
            parts.push_back({{"job", part.token.value},
                             {"part", part.what},
                             {"gone", part.gone},
                             {"why", part.why}});
        }
        finish(exchange,
               json_answer(200, {{"name", node}, {"drained", all}, {"parts", std::move(parts)}}));
    };
}

Result<Answer> hold_node(Desk& desk, Ask& ask) {
    auto body = TRY(JsonBody::parse(ask.exchange->request().body));
    const auto reason = TRY(body.required_text("reason"));
    const auto backend = TRY(body.text("backend")).value_or("");
    const bool drain = TRY(body.boolean("drain")).value_or(false);
    const auto grace = TRY(body.integer("grace_seconds"));
    TRY(body.no_other_keys());
    if (grace && (!drain || *grace < 0 || *grace > k_drain_grace_max)) {
        return fail(Fault::invalid,
                    fmt::format("'grace_seconds' is of a drain, and 0 to {}", k_drain_grace_max),
                    {.where = "body.grace_seconds", .hint = "say \"drain\": true with it"});
    }
    const auto& node = ask.name("name");
    auto* scheduler = TRY(scheduler_of(desk, node, backend));
    if (drain) {
        scheduler->drain(node, reason, std::chrono::seconds(grace.value_or(k_drain_grace)),
                         answer_with_drained(ask.exchange, node));
        return Answer();
    }
    scheduler->hold(node, reason, answer_with(ask.exchange, node));
    return Answer();
}

Result<Answer> release_node(Desk& desk, Ask& ask) {
    auto body = TRY(JsonBody::parse(ask.exchange->request().body));
    const auto backend = TRY(body.text("backend")).value_or("");
    TRY(body.no_other_keys());
    const auto& node = ask.name("name");
    auto* scheduler = TRY(scheduler_of(desk, node, backend));
    scheduler->release(node, answer_with(ask.exchange, node));
    return Answer();
}

Result<Answer> list_backends(Desk& desk, Ask& ask) {
    auto items = json::array();
    for (const auto& [name, scheduler] : desk.parts.backends.all()) {
        auto able = json::array();
        for (const auto capability : scheduler->capabilities()) {
            able.push_back(to_string(capability));
        }
        items.push_back({{"name", name}, {"capabilities", std::move(able)}});
    }
    return Answer(TRY(page(ask, items, "name")));
}

json check_json(const cluster::CheckLine& line) {
    constexpr std::array k_words = {"good", "warning", "bad"};
    return {{"what", line.what},
            {"outcome", k_words[static_cast<std::size_t>(line.outcome)]},
            {"detail", line.detail},
            {"hint", line.hint}};
}

Result<Answer> check_backend(Desk& desk, Ask& ask) {
    auto* scheduler = TRY(desk.parts.backends.find(ask.name("name")));
    scheduler->check([exchange = ask.exchange](Result<std::vector<cluster::CheckLine>> lines) {
        if (!lines) {
            return finish(exchange, tl::unexpected<core::Error>(lines.error()));
        }
        auto told = json::array();
        bool good = true;
        for (const auto& line : *lines) {
            good = good && line.outcome != cluster::CheckLine::Outcome::bad;
            told.push_back(check_json(line));
        }
        finish(exchange, json_answer(200, {{"good", good}, {"checks", std::move(told)}}));
    });
    return Answer();
}

}  // namespace

std::vector<Route> backend_routes() {
    return {
        {"GET", "/api/v1/nodes", "List the nodes of all back ends", list_nodes, {"backend"}},
        {"POST",
         "/api/v1/nodes/{name}/hold",
         "Give a node no further job until it is released; with `drain` move its jobs off it",
         hold_node,
         {},
         Effect::changes},
        {"POST",
         "/api/v1/nodes/{name}/release",
         "Give jobs to a node again",
         release_node,
         {},
         Effect::changes},
        {"GET",
         "/api/v1/backends",
         "List back ends and what they can do",
         list_backends,
         {"after", "limit"}},
        {"GET", "/api/v1/backends/{name}/check", "Check a back end line by line", check_backend}};
}

}  // namespace sust::control
