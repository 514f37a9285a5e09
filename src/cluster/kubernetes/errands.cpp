#include "cluster/kubernetes/errands.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/kubernetes/objects.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

bool is_ours(const json& object, const json& wanted) {
    const auto& labels = wanted.at("metadata").at("labels");
    const auto found = object.value("/metadata/labels"_json_pointer, json::object());
    for (const auto* key : {k_controller, k_job, k_epoch}) {
        if (found.value(key, "") != labels.at(key)) {
            return false;
        }
    }
    return true;
}

// The pod is whose it was, or gone, which is fine.
Result<void> unless_gone(const Result<json>& done) {
    if (done || done.error().fault == Fault::not_found || done.error().fault == Fault::conflict) {
        return {};
    }
    return tl::unexpected<core::Error>(done.error());
}

Result<void> let_go(Client& client, const std::string& path) {
    const auto pod = client.get(path);
    if (!pod) {
        return unless_gone(pod);
    }
    json left = json::array();
    for (const auto& one : pod->value("/metadata/finalizers"_json_pointer, json::array())) {
        if (one != k_finalizer) {
            left.push_back(one);
        }
    }
    const json patch = {{"metadata",
                         {{"uid", pod->at("metadata").value("uid", "")},
                          {"resourceVersion", pod->at("metadata").value("resourceVersion", "")},
                          {"finalizers", left}}}};
    return unless_gone(client.merge(path, patch));
}

// Which version of an eviction the server takes: it says so of the subresource.
Result<std::string> eviction_version(Client& client) {
    const auto group = TRY(client.get("/api/v1"));
    for (const auto& one : group.value("resources", json::array())) {
        if (one.is_object() && one.value("name", "") == "pods/eviction") {
            return one.value("group", "policy") + "/" + one.value("version", "v1");
        }
    }
    return fail(Fault::invalid, "the API server has no evictions",
                {.where = "/api/v1", .hint = "cancel the jobs of the node: sust job cancel"});
}

}  // namespace

std::string pods_path(const std::string& space) {
    return fmt::format("/api/v1/namespaces/{}/pods", space);
}
std::string secrets_path(const std::string& space) {
    return fmt::format("/api/v1/namespaces/{}/secrets", space);
}

// What is there already is what an earlier try made.
Result<void> make_one(Client& client, const std::string& path, const json& object) {
    const auto made = client.create(path, object);
    if (made) {
        return {};
    }
    if (made.error().fault != Fault::conflict) {
        return tl::unexpected<core::Error>(made.error());
    }
    const auto name = object.at("metadata").at("name").get<std::string>();
    const auto there = client.get(path + "/" + name);
    if (!there) {  // the conflict was another one: a quota that changed meanwhile
        return fail(Fault::unavailable, made.error().message);
    }
    return is_ours(*there, object)
               ? Result<void>()
               : fail(Fault::conflict, fmt::format("{} belongs to somebody else", name),
                      {.where = path, .hint = "is another sustd using this namespace?"});
}

Result<void> make(Client& client, const std::string& space, const Order& order,
                  const KubernetesOptions& options) {
    TRY(make_one(client, secrets_path(space), secret_object(order)));
    for (int rank = 0; rank < order.spec.shape.nodes; ++rank) {
        TRY(make_one(client, pods_path(space), pod_object(order, rank, options)));
    }
    return {};
}

Result<void> tell(Client& client, const std::string& space, const std::vector<Wish>& pods,
                  bool cancel, const std::string& head) {
    for (const auto& pod : pods) {
        TRY(unless_gone(client.apply(pods_path(space) + "/" + pod.pod,
                                     wishes_object(pod.pod, pod.uid, cancel, head))));
    }
    return {};
}

std::map<std::string, Eviction> evict(Client& client, const std::string& space,
                                      const std::vector<Wish>& pods) {
    std::map<std::string, Eviction> answers;
    const auto version = eviction_version(client);
    for (const auto& pod : pods) {
        answers[pod.uid] = version ? client.evict(pods_path(space) + "/" + pod.pod,
                                                  eviction_object(pod.pod, pod.uid, *version))
                                   : Eviction{.why = core::to_string(version.error())};
    }
    return answers;
}

Result<void> remove_pods(Client& client, const std::string& space, const std::vector<Wish>& pods) {
    for (const auto& pod : pods) {
        // Whatever has not begun needs no grace; 0 would not wait for the node's word.
        const auto done =
            client.remove(pods_path(space) + "/" + pod.pod, pod.uid, std::chrono::seconds(1));
        if (!done && done.error().fault != Fault::conflict) {
            return done;
        }
    }
    return {};
}

// Without its Secret a pod that a controller makes meanwhile never begins, and without the object
// none is made: in this order the command is not started again.
Result<void> clean(Client& client, const std::string& space, const Leftovers& left) {
    const auto secret = secrets_path(space) + "/" + left.secret;
    if (left.shape) {
        TRY(client.remove(secret, "", {}));
        TRY(remove_object(client, space, *left.shape, left.object));
    }
    for (const auto& pod : left.pods) {
        const auto path = pods_path(space) + "/" + pod.pod;
        const auto removed = client.remove(path, pod.uid, left.grace);
        if (!removed && removed.error().fault == Fault::conflict) {
            continue;  // another pod has the name by now
        }
        TRY(Result<void>(removed));
        TRY(let_go(client, path));
    }
    return left.shape ? Result<void>() : client.remove(secret, "", {});
}

}  // namespace sust::cluster::kubernetes
