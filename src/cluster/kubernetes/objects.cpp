#include "cluster/kubernetes/objects.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::size_t k_words_max = 300;

const json& at(const json& object, const char* key) {
    static const json none;
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() ? *found : none;
}

std::string text(const json& object, const char* key) {
    const auto& found = at(object, key);
    return found.is_string() ? found.get<std::string>() : "";
}

std::string words_of(const json& condition) {
    return core::printable(
        fmt::format("{}: {}", text(condition, "reason"), text(condition, "message")), k_words_max);
}

// Conditions that Job, JobSet and LeaderWorkerSet share with what follows their conventions.
void read_status(const json& object, Envelope& envelope) {
    const auto& conditions = at(at(object, "status"), "conditions");
    for (const auto& condition : conditions.is_array() ? conditions : json::array()) {
        if (text(condition, "status") != "True") {
            continue;
        }
        const auto type = text(condition, "type");
        if (type == "Failed") {
            envelope.failed = words_of(condition);
        } else if (type == "Suspended") {
            envelope.waits = words_of(condition);
        }
    }
    if (envelope.waits.empty() && at(at(object, "spec"), "suspend") == json(true)) {
        envelope.waits = "it is suspended";
    }
}

// A later attempt is not made beside an object that can still make pods of an earlier one.
Result<void> remove_older(Client& client, const std::string& space, const Order& order,
                          const std::vector<const Shape*>& shapes) {
    const auto selector =
        fmt::format("{}={},{}={}", k_controller, order.controller, k_job, order.spec.token.value);
    bool left = false;
    for (const auto* shape : shapes) {
        const auto there = TRY(list_objects(client, space, selector, {shape}));
        for (const auto& [key, envelope] : there) {
            if (key.second < order.epoch) {
                TRY(remove_object(client, space, *shape, envelope.name));
                left = true;
            }
        }
    }
    return left ? fail(Fault::unavailable, "the object of an earlier attempt is still there")
                : Result<void>();
}

}  // namespace

Result<std::pair<std::pair<Token, std::int64_t>, Envelope>> read_envelope(const json& object,
                                                                          const Shape& shape) {
    const auto& metadata = at(object, "metadata");
    const auto& labels = at(metadata, "labels");
    const Token token{text(labels, k_job)};
    TRY(core::check_name("job token", token.value));
    const auto epoch = TRY(core::parse_integer(text(labels, k_epoch)));
    Envelope envelope{
        .shape = shape.name, .name = text(metadata, "name"), .failed = {}, .waits = {}};
    if (epoch < 1 || envelope.name != shaped_name(token, epoch)) {
        return fail(Fault::invalid,
                    "an object with our labels is none of ours: " + core::printable(envelope.name));
    }
    read_status(object, envelope);
    return std::pair(std::pair(token, epoch), std::move(envelope));
}

Result<Envelopes> list_objects(Client& client, const std::string& space,
                               const std::string& selector,
                               const std::vector<const Shape*>& shapes) {
    Envelopes all;
    for (const auto* shape : shapes) {
        Envelopes some;
        const auto listed = client.list(
            shape->path(space), {{"labelSelector", selector}}, [&] { some.clear(); },
            [&](const json& object) {
                if (auto read = read_envelope(object, *shape)) {
                    some.insert(std::move(*read));
                }
            });
        if (!listed && listed.error().fault != Fault::not_found) {  // its API was taken away: none
            return tl::unexpected<core::Error>(listed.error());
        }
        all.merge(some);
    }
    return all;
}

Result<void> make_shaped(Client& client, const std::string& space, const Order& order,
                         const Shape* shape, const KubernetesOptions& options,
                         const std::vector<const Shape*>& used) {
    if (order.epoch > 1) {
        TRY(remove_older(client, space, order, used));
    }
    if (shape == nullptr) {
        return make(client, space, order, options);
    }
    TRY(make_one(client, secrets_path(space), secret_object(order)));
    const Filling filling{.name = shaped_name(order.spec.token, order.epoch),
                          .nodes = order.spec.shape.nodes,
                          .deadline_seconds = deadline_seconds(order.spec, options)};
    return make_one(client, shape->path(space),
                    fill(*shape, filling, pod_template(order, *shape, options),
                         shaped_metadata(order, options)));
}

Result<void> remove_object(Client& client, const std::string& space, const Shape& shape,
                           const std::string& name) {
    const auto path = shape.path(space) + "/" + name;
    const auto removed = client.remove(path, "", std::chrono::seconds(1), Propagation::foreground);
    return removed || removed.error().fault == Fault::not_found ? Result<void>() : removed;
}

}  // namespace sust::cluster::kubernetes
