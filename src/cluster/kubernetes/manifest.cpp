#include "cluster/kubernetes/manifest.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/kubernetes/discovery.h"
#include "cluster/kubernetes/pod.h"
#include "cluster/kubernetes/volumes.h"
#include "cluster/tasks.h"
#include "core/hash.h"
#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

// The wrapper ends the command first; Kubernetes only a wrapper that cannot.
constexpr Duration k_deadline_slack = 60s;
constexpr Duration k_grace_slack = 10s;
constexpr std::size_t k_label_bytes_max = 63;
constexpr std::size_t k_plain_token_bytes_max = 32;  // as long as a digest is told
constexpr const char* k_rank_variable = "SUST_NODE_RANK";
constexpr const char* k_queue = "kueue.x-k8s.io/queue-name";
constexpr std::array<std::string_view, 5> k_options = {"runtime-class", "scheduler-name",
                                                       "priority-class", "node-selector", "shape"};

std::int64_t whole_seconds(Duration duration) {
    return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

// Names are DNS subdomains; a token may have _ and dots side by side, and is then told by its
// digest, which two tokens do not share.
std::string base_name(const Token& token, std::int64_t epoch,
                      std::size_t plain_max = k_label_bytes_max) {
    const bool plain = token.value.size() <= plain_max &&
                       std::all_of(token.value.begin(), token.value.end(), [](char letter) {
                           return letter == '-' || (letter >= 'a' && letter <= 'z') ||
                                  (letter >= '0' && letter <= '9');
                       });
    return fmt::format("sust-{}-{}",
                       plain ? token.value : core::sha256_hex(token.value).substr(0, 32), epoch);
}

// What people write becomes a label as far as labels can say it.
std::string label_value(std::string_view text) {
    std::string value(text.substr(0, k_label_bytes_max));
    const auto fine = [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
               (letter >= '0' && letter <= '9');
    };
    for (auto& letter : value) {
        letter = fine(letter) || letter == '.' || letter == '_' ? letter : '-';
    }
    const auto begin = std::find_if(value.begin(), value.end(), fine);
    const auto end = std::find_if(value.rbegin(), value.rend(), fine).base();
    return begin < end ? std::string(begin, end) : "";
}

json labels_of(const Order& order) {
    const auto& spec = order.spec;
    json labels = {{k_managed_by, "sust"},
                   {"app.kubernetes.io/name", "sust-job"},
                   {k_controller, order.controller},
                   {k_job, spec.token.value},
                   {k_epoch, std::to_string(order.epoch)}};
    if (const auto owner = label_value(spec.principal); !owner.empty()) {
        labels["sust/owner"] = owner;
    }
    for (const auto& [key, value] : spec.labels) {
        if (const auto name = label_value(key); !name.empty()) {
            labels["sust.label/" + name] = label_value(value);
        }
    }
    return labels;
}

json plain(const char* name, const std::string& value) {
    return {{"name", name}, {"value", value}};
}

json field(const char* name, const std::string& path) {
    return {{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", path}}}}}};
}

// `rank` is its entry of it.
json environment_of(const Order& order, json rank) {
    const auto& spec = order.spec;
    return json::array({plain("SUST_JOB_TOKEN", spec.token.value), std::move(rank),
                        plain("SUST_NODES", std::to_string(spec.shape.nodes)),
                        // Of several, the wrapper is told which one is first.
                        field("SUST_HEAD_NODE", "status.podIP"),
                        field("SUST_NODE_NAME", "spec.nodeName")});
}

json resources_of(const JobSpec& spec, const KubernetesOptions& options) {
    json requests = {{"cpu", std::to_string(spec.shape.cpus_per_task * spec.shape.tasks_per_node)}};
    json limits = json::object();
    if (spec.shape.memory_bytes > 0) {
        requests["memory"] = std::to_string(spec.shape.memory_bytes);
        limits["memory"] = std::to_string(spec.shape.memory_bytes);
    }
    if (spec.shape.gpus.count > 0) {
        limits[options.gpu_resource] = std::to_string(spec.shape.gpus.count);
        requests[options.gpu_resource] = std::to_string(spec.shape.gpus.count);
    }
    return {{"requests", requests}, {"limits", limits}};
}

json volumes_of(const Order& order, const KubernetesOptions& options) {
    const auto wish = [](const char* file, const char* annotation) {
        return json{
            {"path", file},
            {"fieldRef", {{"fieldPath", fmt::format("metadata.annotations['{}']", annotation)}}}};
    };
    auto volumes = json::array(
        {{{"name", "sust"}, {"emptyDir", json::object()}},
         {{"name", "job"},
          {"secret", {{"secretName", secret_name(order.spec.token, order.epoch)}}}},
         {{"name", "wishes"},
          {"downwardAPI",
           {{"items", json::array({wish("cancel", k_cancel), wish("head", k_head)})}}}}});
    for (auto& volume : shared_volumes(order.spec, options)) {
        volumes.push_back(std::move(volume));
    }
    return volumes;
}

json mount(const char* name, const char* path) {
    return {{"name", name}, {"mountPath", path}};
}

json agent_container(const KubernetesOptions& options) {
    return {{"name", "agent"},
            {"image", options.agent_image},
            {"command", json::array({"/sust-agent", "bring", "--to", "/sust"})},
            {"terminationMessagePolicy", "FallbackToLogsOnError"},
            {"resources", {{"requests", {{"cpu", "10m"}}}}},
            {"volumeMounts", json::array({mount("sust", "/sust")})}};
}

json main_container(const Order& order, json rank, const KubernetesOptions& options) {
    const auto& spec = order.spec;
    auto mounts = json::array(
        {mount("sust", "/sust"), mount("job", "/sust/job"), mount("wishes", "/sust/wishes")});
    for (auto& shared : shared_mounts(spec, options)) {
        mounts.push_back(std::move(shared));
    }
    return {{"name", "main"},
            {"image", spec.image.empty() ? options.image : options.images.at(spec.image)},
            {"command", json::array({"/sust/bin/sust-agent", "job", "--directory",
                                     std::string(k_pod_jobs) + spec.token.value, "--epoch",
                                     std::to_string(order.epoch), "--pod", "/sust"})},
            {"env", environment_of(order, std::move(rank))},
            {"resources", resources_of(spec, options)},
            // Where the wrapper could not say a word, the last lines of the log are better.
            {"terminationMessagePolicy", "FallbackToLogsOnError"},
            {"volumeMounts", std::move(mounts)}};
}

json affinity_of(const Order& order) {
    json affinity = json::object();
    const auto& excluded = order.spec.exclude_nodes;
    if (!excluded.empty()) {
        json fields = json::array();
        for (const auto& node : excluded) {
            fields.push_back(
                {{"key", "metadata.name"}, {"operator", "NotIn"}, {"values", json::array({node})}});
        }
        affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = {
            {"nodeSelectorTerms", json::array({{{"matchFields", fields}}})}};
    }
    if (order.spec.shape.nodes > 1) {
        const json same = {
            {"matchLabels",
             {{k_job, order.spec.token.value}, {k_epoch, std::to_string(order.epoch)}}}};
        affinity["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
            json::array({{{"labelSelector", same}, {"topologyKey", "kubernetes.io/hostname"}}});
    }
    return affinity;
}

json tolerations_of(const KubernetesOptions& options) {
    json tolerations = json::array();
    for (const auto& [key, value] : options.tolerations) {
        json one = {{"key", key}, {"operator", value == "*" ? "Exists" : "Equal"}};
        if (value != "*") {
            one["value"] = value;
        }
        tolerations.push_back(std::move(one));
    }
    // How long a silent node is waited for before its pods are lost; the default is five minutes.
    for (const auto* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
        tolerations.push_back({{"key", key},
                               {"operator", "Exists"},
                               {"effect", "NoExecute"},
                               {"tolerationSeconds", whole_seconds(options.node_patience)}});
    }
    return tolerations;
}

std::string option(const JobSpec& spec, const char* name) {
    const auto found = spec.options.find(name);
    return found == spec.options.end() ? "" : found->second;
}

// The class of the greatest number that is not over the job's priority.
std::string priority_class_of(const JobSpec& spec, const KubernetesOptions& options) {
    if (auto said = option(spec, "priority-class"); !said.empty()) {
        return said;
    }
    std::string chosen;
    std::int64_t best = k_priority_min - 1;
    for (const auto& [least, name] : options.priority_classes) {
        const auto number = core::parse_integer(least).value_or(k_priority_max + 1);
        if (number <= spec.priority && number > best) {
            best = number;
            chosen = name;
        }
    }
    return chosen;
}

json node_selector_of(const JobSpec& spec, const KubernetesOptions& options) {
    json selector = options.node_selector;
    if (!spec.shape.gpus.type.empty()) {
        selector[options.gpu_label] = spec.shape.gpus.type;
    }
    const auto said = option(spec, "node-selector");
    for (const auto& part : said.empty() ? std::vector<std::string>() : core::split(said, ',')) {
        const auto equals = part.find('=');
        selector[part.substr(0, equals)] =
            equals == std::string::npos ? "" : part.substr(equals + 1);
    }
    return selector;
}

void set_if(json& object, const char* key, const std::string& value) {
    if (!value.empty()) {
        object[key] = value;
    }
}

// A pod without its name: what every shape of a job has of it.
json pod_of(const Order& order, json rank, json labels, const KubernetesOptions& options) {
    const auto& spec = order.spec;
    json pod = {{"restartPolicy", "Never"},
                {"activeDeadlineSeconds", deadline_seconds(spec, options)},
                {"terminationGracePeriodSeconds", whole_seconds(spec.stop_grace + k_grace_slack)},
                {"automountServiceAccountToken", false},
                {"enableServiceLinks", false},
                {"initContainers", json::array({agent_container(options)})},
                {"containers", json::array({main_container(order, std::move(rank), options)})},
                {"volumes", volumes_of(order, options)},
                {"tolerations", tolerations_of(options)},
                {"nodeSelector", node_selector_of(spec, options)},
                {"affinity", affinity_of(order)}};
    if (options.host_network) {
        pod["hostNetwork"] = true;
        pod["dnsPolicy"] = "ClusterFirstWithHostNet";
    }
    if (!spec.principal.empty()) {
        pod["serviceAccountName"] = options.service_accounts.at(spec.principal);
    }
    set_if(pod, "priorityClassName", priority_class_of(spec, options));
    set_if(pod, "runtimeClassName", option(spec, "runtime-class"));
    set_if(pod, "schedulerName", option(spec, "scheduler-name"));
    return {{"metadata",
             {{"labels", std::move(labels)},
              {"annotations", {{"sust/name", spec.name}}},
              {"finalizers", json::array({k_finalizer})}}},
            {"spec", std::move(pod)}};
}

std::string queue_of(const JobSpec& spec, const KubernetesOptions& options) {
    return spec.queue.empty() ? options.queue : spec.queue;
}

}  // namespace

std::int64_t deadline_seconds(const JobSpec& spec, const KubernetesOptions& options) {
    return whole_seconds(spec.time_limit + spec.stop_grace + options.start_patience +
                         k_deadline_slack);
}

std::vector<std::string> launcher_of(const JobSpec& spec) {
    const auto tasks = spec.shape.tasks_per_node;
    return tasks > 1 ? tasks_launcher("/sust/bin/sust-agent", tasks, spec.stop_grace)
                     : std::vector<std::string>();
}

Result<Order> order_of(const KeptJob& job, const std::string& controller) {
    Order order{.spec = job.spec(),
                .epoch = job.status().epoch,
                .launcher = launcher_of(job.spec()),
                .controller = controller};
    order.spec.time_limit = TRY(job.time_limit());
    order.spec.exclude_nodes = TRY(job.excluded_nodes());
    std::sort(order.spec.exclude_nodes.begin(), order.spec.exclude_nodes.end());
    return order;
}

std::string secret_name(const Token& token, std::int64_t epoch) {
    return base_name(token, epoch);
}

std::string pod_name(const Token& token, std::int64_t epoch, int rank) {
    return fmt::format("{}-{}", base_name(token, epoch), rank);
}

std::string shaped_name(const Token& token, std::int64_t epoch) {
    return base_name(token, epoch, k_plain_token_bytes_max);
}

json secret_object(const Order& order) {
    return {
        {"apiVersion", "v1"},
        {"kind", "Secret"},
        {"metadata",
         {{"name", secret_name(order.spec.token, order.epoch)}, {"labels", labels_of(order)}}},
        {"immutable", true},
        {"stringData", {{"job.json", job_text({.spec = order.spec, .launcher = order.launcher})}}}};
}

json pod_object(const Order& order, int rank, const KubernetesOptions& options) {
    const auto& spec = order.spec;
    auto pod =
        pod_of(order, plain(k_rank_variable, std::to_string(rank)), labels_of(order), options);
    pod["apiVersion"] = "v1";
    pod["kind"] = "Pod";
    auto& metadata = pod["metadata"];
    metadata["name"] = pod_name(spec.token, order.epoch, rank);
    metadata["labels"][k_rank] = std::to_string(rank);
    const auto queue = queue_of(spec, options);
    set_if(metadata["labels"], k_queue, queue);
    if (!queue.empty() && spec.shape.nodes > 1) {
        metadata["labels"]["kueue.x-k8s.io/pod-group-name"] = secret_name(spec.token, order.epoch);
        metadata["annotations"]["kueue.x-k8s.io/pod-group-total-count"] =
            std::to_string(spec.shape.nodes);
    }
    return pod;
}

json pod_template(const Order& order, const Shape& shape, const KubernetesOptions& options) {
    auto labels = labels_of(order);
    labels[k_shape] = shape.name;
    auto pod = pod_of(order, field(k_rank_variable, shape.rank), std::move(labels), options);
    pod["metadata"]["annotations"][k_rank_path] = shape.rank;
    for (const auto& key : shape.without) {
        pod["spec"].erase(key);
    }
    pod["spec"].merge_patch(json::parse(shape.pod));
    return pod;
}

json shaped_metadata(const Order& order, const KubernetesOptions& options) {
    auto labels = labels_of(order);
    set_if(labels, k_queue, queue_of(order.spec, options));
    return {{"name", shaped_name(order.spec.token, order.epoch)},
            {"labels", std::move(labels)},
            {"annotations", {{"sust/name", order.spec.name}}}};
}

json wishes_object(const std::string& pod, const std::string& uid, bool cancel,
                   const std::string& head) {
    json annotations = json::object();
    if (cancel) {
        annotations[k_cancel] = "yes";
    }
    set_if(annotations, k_head, head);
    return {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", pod}, {"uid", uid}, {"annotations", annotations}}}};
}

json eviction_object(const std::string& pod, const std::string& uid, const std::string& version) {
    return {{"apiVersion", version},
            {"kind", "Eviction"},
            {"metadata", {{"name", pod}}},
            {"deleteOptions", {{"preconditions", {{"uid", uid}}}}}};
}

Result<void> check_request(const JobSpec& spec, const KubernetesOptions& options) {
    const auto refuse = [](std::string field, std::string message, std::string hint) {
        return fail(Fault::invalid, std::move(message),
                    {.where = std::move(field), .hint = std::move(hint)});
    };
    if (!spec.partition.empty() || !spec.account.empty()) {
        return refuse(spec.partition.empty() ? "account" : "partition",
                      "Kubernetes has no partitions and accounts",
                      "leave it out; `queue` is Kueue's, options node-selector chooses nodes");
    }
    if (spec.image.empty() && options.image.empty()) {
        return refuse("environment", "a pod needs an image and the job names no environment",
                      fmt::format("name one, or set `image` of [backend.{}]", options.name));
    }
    if (!spec.image.empty() && !options.images.contains(spec.image)) {
        return refuse(
            "environment", fmt::format("environment '{}' has no image here", spec.image),
            fmt::format("add it to [backend.{}.images]; sust image export --oci makes one",
                        options.name));
    }
    if (!spec.principal.empty() && !options.service_accounts.contains(spec.principal)) {
        return refuse("principal", fmt::format("'{}' has no service account here", spec.principal),
                      fmt::format("add it to [backend.{}.service_accounts]", options.name));
    }
    for (const auto& [name, value] : spec.options) {
        if (std::find(k_options.begin(), k_options.end(), name) == k_options.end()) {
            return refuse("options", fmt::format("'{}' cannot be passed on", core::printable(name)),
                          fmt::format("these can: {}", fmt::join(k_options, ", ")));
        }
    }
    TRY(check_shape(spec, options));
    TRY(check_volumes(spec, options));
    if (job_text({.spec = spec}).size() > k_secret_bytes_max) {
        return fail(Fault::too_large, "the job is longer than a Secret may be",
                    {.where = "command", .hint = "put what is long into a file of the image"});
    }
    return {};
}

std::optional<std::int64_t> parse_quantity(std::string_view text) {
    struct Unit {
        std::string_view suffix;
        double factor;
    };
    constexpr std::array k_units = {Unit{"Ki", 0x1p10}, Unit{"Mi", 0x1p20}, Unit{"Gi", 0x1p30},
                                    Unit{"Ti", 0x1p40}, Unit{"Pi", 0x1p50}, Unit{"m", 1e-3},
                                    Unit{"k", 1e3},     Unit{"M", 1e6},     Unit{"G", 1e9},
                                    Unit{"T", 1e12},    Unit{"P", 1e15},    Unit{"", 1}};
    const auto* unit = std::find_if(k_units.begin(), k_units.end(),
                                    [&](const Unit& one) { return text.ends_with(one.suffix); });
    const auto number = core::parse_number(text.substr(0, text.size() - unit->suffix.size()));
    constexpr double k_most = 9e15;  // exact as a double
    if (!number || !std::isfinite(*number) || *number < 0 || *number * unit->factor > k_most) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(std::llround(*number * unit->factor * 1000));
}

}  // namespace sust::cluster::kubernetes
