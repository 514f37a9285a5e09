#include "cluster/kubernetes/deletion.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::cluster::kubernetes {

using nlohmann::json;

namespace {

std::string text(const json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() && found->is_string()
               ? found->get<std::string>()
               : "";
}

// The taint manager names a pod and not its uid, and a name may come again.
bool is_about(const json& event, const Pod& pod) {
    const auto uid = text(event.value("involvedObject", json::object()), "uid");
    if (!uid.empty()) {
        return uid == pod.uid;
    }
    for (const auto* key : {"lastTimestamp", "eventTime", "firstTimestamp"}) {
        if (const auto when = core::parse_rfc3339(text(event, key))) {
            return *when >= pod.created;
        }
    }
    return false;
}

// A wrapper that was asked to end says so; where it did not, its node went away under it.
bool went_without_a_word(const Pod& pod) {
    return pod.main.state == Container::State::terminated &&
           !parse_exit(pod.main.message, pod.token, pod.epoch);
}

}  // namespace

std::optional<Deletion> said_by_events(const json& events, const Pod& pod) {
    for (const auto& event : events.value("items", json::array())) {
        if (!event.is_object() || !is_about(event, pod)) {
            continue;
        }
        const auto reason = text(event, "reason");
        const auto message = core::printable(text(event, "message"), 200);
        if (reason == "Preempted" || reason == "Evicted" || reason == "Preempting") {
            return Deletion{End::preempted, fmt::format("Kubernetes: {}: {}", reason, message)};
        }
        if (reason == "NodeControllerEviction" ||
            (reason == "TaintManagerEviction" && went_without_a_word(pod))) {
            return Deletion{End::node_lost, fmt::format("node {} was given up", pod.node)};
        }
        if (reason == "TaintManagerEviction" && !message.starts_with("Cancelling")) {
            return Deletion{End::preempted, fmt::format("a taint drove it off node {}", pod.node)};
        }
    }
    return std::nullopt;
}

std::optional<Deletion> said_by_node(const json& node, const Pod& pod,
                                     const KubernetesOptions& options) {
    if (node.is_null()) {
        return Deletion{End::node_lost, fmt::format("node {} is no more", pod.node)};
    }
    const auto machine = read_machine(node, options, {});
    if (!machine) {
        return std::nullopt;
    }
    if (machine->node.state == NodeState::down) {
        return Deletion{End::node_lost, fmt::format("node {} is not ready", pod.node)};
    }
    if (machine->unschedulable) {
        return Deletion{End::preempted, fmt::format("node {} was drained: {}", pod.node,
                                                    machine->node.held ? machine->node.hold_reason
                                                                       : "somebody cordoned it")};
    }
    if (const auto taint = repelled_by(*machine, options)) {
        return Deletion{End::preempted,
                        fmt::format("node {} was tainted: {}", pod.node, core::printable(*taint))};
    }
    if (pod.confirmed && pod.main.state == Container::State::running) {
        return Deletion{options.deleted, "its pod was deleted by force, not waiting for its node"};
    }
    return std::nullopt;
}

std::optional<Deletion> why_deleted(Client& client, const std::string& space, const Pod& pod,
                                    const KubernetesOptions& options) {
    const auto events = client.get(fmt::format("/api/v1/namespaces/{}/events", space),
                                   {{"fieldSelector", "involvedObject.name=" + pod.name}});
    auto said = events ? said_by_events(*events, pod) : std::nullopt;
    if (said || pod.node.empty()) {
        return said;
    }
    // One of a list: the right to list nodes is what a site gives.
    const auto nodes =
        client.get("/api/v1/nodes", {{"fieldSelector", "metadata.name=" + pod.node}});
    if (!nodes) {
        return std::nullopt;
    }
    const auto found = nodes->value("items", json::array());
    return said_by_node(found.empty() ? json() : found.front(), pod, options);
}

}  // namespace sust::cluster::kubernetes
