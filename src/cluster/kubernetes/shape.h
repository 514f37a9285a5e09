#pragma once

// How a job of several pods becomes one object of the API server, whose controller makes the pods:
// templates that are data files (shapes/*.toml). Nothing here asks anybody.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/file.h"
#include "core/result.h"

namespace sust::cluster::kubernetes {

using core::Path;
using core::Result;

// Not the name of a template: pods that we make ourselves, and whatever the server has.
inline constexpr std::string_view k_pods = "pods";
inline constexpr std::string_view k_auto = "auto";

// One template as it was read.
struct Shape {
    std::string name;    // of its file: "indexed_job"
    std::string origin;  // the file, for messages
    std::string kind;
    std::string group;
    std::string version;
    std::string resource;  // plural, as in paths
    int server_minor = 0;  // the oldest 1.N that understands it; 0: whichever has the resource
    std::string next;      // what an operator can do where it is missing
    int automatic = 0;     // the greatest that is there is what "auto" means; 0: never
    std::string rank;      // field of a pod that its controller writes the rank into
    std::vector<std::string> without{};  // fields of our pods that its controller refuses
    std::string pod{};                   // JSON that is merged into the spec of our pods
    std::string object{};                // JSON of the object, with ${...} left in it

    std::string api() const { return group + "/" + version; }
    std::string discovery_path() const { return "/apis/" + api(); }
    std::string path(const std::string& space) const {
        return discovery_path() + "/namespaces/" + space + "/" + resource;
    }
};

// What the values of ${name}, ${nodes} and ${deadline_seconds} are.
struct Filling {
    std::string name;
    int nodes = 1;
    std::int64_t deadline_seconds = 0;
};

// invalid: file, line and column of what is wrong.
Result<Shape> parse_shape(std::string_view text, const std::string& name,
                          const std::string& origin);
// Every *.toml of the folders; of two with one name that of the first. A folder may be absent.
Result<std::vector<Shape>> load_shapes(const std::vector<Path>& folders);

// The object around the template of its pods, ${pod}, with `metadata` of ours, which nothing of the
// template replaces.
nlohmann::json fill(const Shape& shape, const Filling& filling, const nlohmann::json& pod,
                    const nlohmann::json& metadata);

// A field of a pod as the downward API names it, "metadata.labels['KEY']" or annotations: what is
// there in `pod`; empty: nothing, or it is no such path.
std::string text_at_path(const nlohmann::json& pod, std::string_view path);

// Null: there is none of that name.
const Shape* find_shape(const std::vector<Shape>& shapes, std::string_view name);
// "pods, auto, indexed_job, ...", for messages.
std::string names_of(const std::vector<Shape>& shapes);

}  // namespace sust::cluster::kubernetes
