#include "cluster/kubernetes/check.h"

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/kubernetes/errands.h"
#include "cluster/kubernetes/manifest.h"
#include "core/id.h"
#include "core/text.h"

namespace sust::cluster::kubernetes {

using nlohmann::json;
using Outcome = CheckLine::Outcome;
using namespace std::chrono_literals;

namespace {

constexpr Duration k_agent_wait = 60s;  // an image that was never pulled
constexpr Duration k_agent_look = 250ms;
constexpr auto k_clock_near = 30s;

struct Right {
    std::string_view verbs;  // separated by blanks
    std::string_view resource;
    std::string_view part;  // subresource
    bool of_cluster;
    Outcome without;
    std::string_view for_what;
    std::string_view group = {};
};
constexpr std::array k_rights = {
    Right{"create get list watch patch delete", "pods", "", false, Outcome::bad, "jobs"},
    Right{"create", "pods", "eviction", false, Outcome::warning, "node hold --drain"},
    Right{"get", "pods", "log", false, Outcome::bad, "what jobs print"},
    Right{"create get delete", "secrets", "", false, Outcome::bad, "a job's own words"},
    Right{"list", "events", "", false, Outcome::warning, "who deleted a pod"},
    Right{"list", "resourcequotas", "", false, Outcome::warning, "this check's line on quotas"},
    Right{"list", "nodes", "", true, Outcome::warning, "node ls, and refusing what cannot run"},
    Right{"patch", "nodes", "", true, Outcome::warning, "node hold and release"},
};

CheckLine line(std::string what, Outcome outcome, std::string detail, std::string hint = {}) {
    return {.what = std::move(what),
            .outcome = outcome,
            .detail = std::move(detail),
            .hint = outcome == Outcome::good ? "" : std::move(hint)};
}

CheckLine check_server(Client& client) {
    const auto version = client.get("/version");
    return version ? line("server", Outcome::good,
                          fmt::format("Kubernetes {}",
                                      core::printable(version->value("gitVersion", "?"))))
                   : line("server", Outcome::bad, core::to_string(version.error()),
                          "kubectl version, with the same kubeconfig");
}

CheckLine check_clock(const Client& client) {
    const auto offset = client.clock_offset().value_or(Duration::zero());
    const bool near = offset < k_clock_near && offset > -k_clock_near;
    return line("clock", near ? Outcome::good : Outcome::warning,
                fmt::format("{} s ahead of ours",
                            std::chrono::duration_cast<std::chrono::seconds>(offset).count()),
                "set both clocks (NTP)");
}

Result<bool> may(Client& client, const std::string& space, const Right& right,
                 const std::string& verb) {
    json attributes = {{"verb", verb},
                       {"group", right.group},
                       {"resource", right.resource},
                       {"subresource", right.part}};
    if (!right.of_cluster) {
        attributes["namespace"] = space;
    }
    const auto said = TRY(client.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                                        {{"apiVersion", "authorization.k8s.io/v1"},
                                         {"kind", "SelfSubjectAccessReview"},
                                         {"spec", {{"resourceAttributes", attributes}}}}));
    return said.value("/status/allowed"_json_pointer, false);
}

CheckLine check_right(Client& client, const std::string& space, const Right& right) {
    const auto what =
        fmt::format("{}{}{}", right.resource, right.part.empty() ? "" : "/", right.part);
    std::vector<std::string> missing;
    for (const auto& verb : core::split(right.verbs, ' ')) {
        const auto allowed = may(client, space, right, verb);
        if (!allowed) {
            return line(what, Outcome::bad, core::to_string(allowed.error()));
        }
        if (!*allowed) {
            missing.push_back(verb);
        }
    }
    const auto where = right.of_cluster ? std::string("cluster") : "namespace " + space;
    return missing.empty()
               ? line(what, Outcome::good, fmt::format("{} in {}", right.verbs, where))
               : line(what, right.without,
                      fmt::format("may not {} in {}", core::join(missing, ", "), where),
                      fmt::format("needed for {}; docs/operate/kubernetes.md has the role",
                                  right.for_what));
}

// Which shapes the server has, and whether the one that jobs get is among them.
CheckLine check_shapes(const CheckPlace& place, const Result<Offer>& offer) {
    const auto& options = place.options;
    const auto said = options.shape == k_pods ? Outcome::warning : Outcome::bad;
    if (!offer) {
        return line("shape", said, core::to_string(offer.error()),
                    "shapes need to be asked for: GET /version and /apis");
    }
    const auto chosen = choose_shape(options.shape, options, *offer);
    if (!chosen) {
        return line("shape", Outcome::bad, chosen.error().message, chosen.error().hint);
    }
    std::vector<std::string> here{std::string(k_pods)};
    for (const auto& shape : options.shapes) {
        if (!offer->missing.contains(shape.name)) {
            here.push_back(shape.name);
        }
    }
    const auto name = *chosen == nullptr ? std::string(k_pods) : (*chosen)->name;
    return line("shape", Outcome::good,
                fmt::format("{}{}; here are {}", name, options.shape == k_auto ? " (auto)" : "",
                            core::join(here, ", ")));
}

// Of the shape that jobs get here, if it is not ours.
std::vector<CheckLine> check_shape_right(Client& client, const CheckPlace& place,
                                         const Result<Offer>& offer) {
    const auto chosen = offer ? choose_shape(place.options.shape, place.options, *offer)
                              : Result<const Shape*>(nullptr);
    if (!chosen || *chosen == nullptr) {
        return {};
    }
    const auto& shape = **chosen;
    return {check_right(client, place.space,
                        Right{"create get list delete", shape.resource, "", false, Outcome::bad,
                              "jobs of this shape", shape.group})};
}

CheckLine check_quota(Client& client, const std::string& space) {
    const auto said = client.get(fmt::format("/api/v1/namespaces/{}/resourcequotas", space));
    if (!said) {
        return line("quota", Outcome::warning, core::to_string(said.error()));
    }
    std::vector<std::string> parts;
    for (const auto& quota : said->value("items", json::array())) {
        const auto hard = quota.value("/status/hard"_json_pointer, json::object());
        const auto used = quota.value("/status/used"_json_pointer, json::object());
        for (const auto& [resource, most] : hard.items()) {
            parts.push_back(fmt::format("{} {} of {}", core::printable(resource),
                                        used.value(resource, "?"), most.get<std::string>()));
        }
    }
    return line("quota", Outcome::good, parts.empty() ? "none" : core::join(parts, ", "));
}

// A pod that says its version and ends: the image can be pulled and its program runs.
json agent_pod(const CheckPlace& place, const std::string& name) {
    const JobSpec spec{.token = {"check"}, .argv = {"true"}};
    auto pod =
        pod_object({.spec = spec, .epoch = 1, .controller = place.controller}, 0, place.options);
    auto container = pod["spec"]["initContainers"][0];
    container["command"] = json::array({"/sust-agent", "--version"});
    container.erase("volumeMounts");
    pod["metadata"] = {{"name", name}, {"labels", {{"app.kubernetes.io/managed-by", "sust"}}}};
    pod["spec"].erase("initContainers");
    pod["spec"].erase("volumes");
    pod["spec"]["containers"] = json::array({container});
    pod["spec"]["activeDeadlineSeconds"] = 120;
    return pod;
}

CheckLine check_agent(Client& client, const CheckPlace& place, const core::Clock& clock) {
    const auto name = "sust-check-" + core::make_id(clock, "");
    const auto path = pods_path(place.space);
    if (const auto made = client.create(path, agent_pod(place, name)); !made) {
        return line("agent", Outcome::bad, core::to_string(made.error()));
    }
    std::string phase = "Pending";
    std::string why;
    const core::Deadline deadline(clock, k_agent_wait);
    while (phase != "Succeeded" && phase != "Failed" && !deadline.passed() &&
           client.pause(k_agent_look)) {
        const auto pod = client.get(path + "/" + name);
        if (!pod) {
            why = core::to_string(pod.error());
            continue;
        }
        phase = pod->value("/status/phase"_json_pointer, "");
        const auto state =
            pod->value("/status/containerStatuses/0/state"_json_pointer, json::object());
        why = state.value("/waiting/reason"_json_pointer,
                          state.value("/terminated/reason"_json_pointer, std::string()));
        if (why.empty()) {
            why = pod->value("/status/conditions/0/message"_json_pointer, "");
        }
    }
    const auto said = client.text(path + "/" + name + "/log", {}, 4 << 10);
    (void)client.remove(path + "/" + name, "", 0s);
    return phase == "Succeeded"
               ? line("agent", Outcome::good,
                      fmt::format("a pod of {} says {}", place.options.agent_image,
                                  core::printable(core::trim(said.value_or("")))))
               : line("agent", Outcome::bad,
                      fmt::format("a pod of {} is {}: {}", place.options.agent_image, phase,
                                  core::printable(why, 300)),
                      "is agent_image in a registry that the nodes reach, and has it /sust-agent?");
}

}  // namespace

Checked check(Client& client, const CheckPlace& place, const core::Clock& clock) {
    Checked checked{.lines = {check_server(client)}};
    auto& lines = checked.lines;
    if (lines.back().outcome == Outcome::bad) {
        return checked;
    }
    lines.push_back(check_clock(client));
    auto offer = discover(client, place.options.shapes);
    lines.push_back(check_shapes(place, offer));
    bool able = true;
    for (const auto& right : k_rights) {
        lines.push_back(check_right(client, place.space, right));
        able = able && lines.back().outcome != Outcome::bad;
    }
    for (auto& one : check_shape_right(client, place, offer)) {
        lines.push_back(std::move(one));
    }
    lines.push_back(check_quota(client, place.space));
    if (able) {
        lines.push_back(check_agent(client, place, clock));
    }
    if (offer) {
        checked.offer = std::move(*offer);
    }
    return checked;
}

}  // namespace sust::cluster::kubernetes
