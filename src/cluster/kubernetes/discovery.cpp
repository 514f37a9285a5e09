#include "cluster/kubernetes/discovery.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

std::string text(const json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() && found->is_string()
               ? core::printable(found->get<std::string>(), 40)
               : "";
}

// N of "v1.N.2" or of minor, "22" or "22+": builds of a distribution leave the one or the other
// out.
int minor_of(const json& version) {
    const auto whole = text(version, "gitVersion");
    auto said = whole.starts_with("v1.") ? whole.substr(3) : text(version, "minor");
    said.erase(std::find_if(said.begin(), said.end(),
                            [](char letter) { return letter < '0' || letter > '9'; }),
               said.end());
    return static_cast<int>(core::parse_integer(said).value_or(0));
}

}  // namespace

std::string what_is_missing(const Shape& shape, const json& version, const json& resources) {
    const auto found = resources.is_object() ? resources.find("resources") : resources.end();
    const bool listed = resources.is_object() && found != resources.end() && found->is_array();
    const bool has = listed && std::any_of(found->begin(), found->end(), [&](const json& one) {
                         return text(one, "name") == shape.resource;
                     });
    if (!has) {
        return fmt::format("it has no {} of {}", shape.resource, shape.api());
    }
    return minor_of(version) < shape.server_minor
               ? fmt::format("it is Kubernetes 1.{}, and a {} of this kind needs 1.{}",
                             minor_of(version), shape.kind, shape.server_minor)
               : "";
}

Result<Offer> discover(Client& client, const std::vector<Shape>& shapes) {
    const auto version = TRY(client.get("/version"));
    Offer offer{.server = fmt::format("1.{}", minor_of(version)), .missing = {}};
    std::map<std::string, json> apis;
    for (const auto& shape : shapes) {
        if (!apis.contains(shape.api())) {
            auto resources = client.get(shape.discovery_path());
            if (!resources && resources.error().fault != Fault::not_found) {
                return tl::unexpected<core::Error>(std::move(resources).error());
            }
            apis[shape.api()] = resources ? std::move(*resources) : json();
        }
        if (auto missing = what_is_missing(shape, version, apis[shape.api()]); !missing.empty()) {
            offer.missing[shape.name] = std::move(missing);
        }
    }
    return offer;
}

std::string wanted_shape(const JobSpec& spec, const KubernetesOptions& options) {
    const auto said = spec.options.find("shape");
    return said == spec.options.end() ? options.shape : said->second;
}

Result<void> check_shape(const JobSpec& spec, const KubernetesOptions& options) {
    const auto wanted = wanted_shape(spec, options);
    if (wanted == k_pods || wanted == k_auto || find_shape(options.shapes, wanted) != nullptr) {
        return {};
    }
    return fail(Fault::invalid, fmt::format("'{}' is no shape of a job", core::printable(wanted)),
                {.where = spec.options.contains("shape") ? "options.shape" : "",
                 .hint = fmt::format("these are there: {}", names_of(options.shapes))});
}

Result<const Shape*> choose_shape(const std::string& wanted, const KubernetesOptions& options,
                                  const Offer& offer) {
    const Shape* chosen = nullptr;
    if (wanted == k_auto) {
        for (const auto& shape : options.shapes) {
            const auto least = chosen == nullptr ? 0 : chosen->automatic;
            if (shape.automatic > least && !offer.missing.contains(shape.name)) {
                chosen = &shape;
            }
        }
        return chosen;
    }
    if (wanted == k_pods) {
        return chosen;
    }
    chosen = find_shape(options.shapes, wanted);
    if (chosen == nullptr) {
        return fail(Fault::invalid,
                    fmt::format("'{}' is no shape of a job", core::printable(wanted)),
                    {.where = "shape",
                     .hint = fmt::format("these are there: {}", names_of(options.shapes))});
    }
    if (const auto missing = offer.missing.find(wanted); missing != offer.missing.end()) {
        return fail(Fault::invalid,
                    fmt::format("the API server of {} cannot run jobs as {}: {}", options.name,
                                wanted, missing->second),
                    {.where = "shape", .hint = chosen->next});
    }
    return chosen;
}

}  // namespace sust::cluster::kubernetes
