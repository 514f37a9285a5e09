#include "cluster/kubernetes/volumes.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/inputs.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

struct Place {
    std::size_t number = 0;  // of the volume
    Path inside;             // relative to it
};

bool is_inside(const Path& path, const Path& folder) {
    const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
    return end == folder.end();
}

// The deepest volume that has the path; nothing: none has.
std::optional<Place> place_of(const Path& path, const Volumes& volumes) {
    const auto wanted = path.lexically_normal();
    std::optional<Place> found;
    std::size_t depth = 0;
    std::size_t number = 0;
    for (const auto& [text, kind] : volumes) {
        auto folder = Path(text).lexically_normal();
        if (!folder.has_filename()) {
            folder = folder.parent_path();  // "/scratch/"
        }
        const auto parts = static_cast<std::size_t>(std::distance(folder.begin(), folder.end()));
        if (is_inside(wanted, folder) && parts > depth) {
            found = Place{.number = number, .inside = wanted.lexically_relative(folder)};
            depth = parts;
        }
        ++number;
    }
    return found;
}

// A working directory on a shared file system is seen at its own place.
std::vector<Mount> mounts_of(const JobSpec& spec, const KubernetesOptions& options) {
    auto mounts = spec.mounts;
    if (!spec.workdir.empty() && place_of(spec.workdir, options.volumes)) {
        mounts.push_back({.source = spec.workdir, .target = spec.workdir, .read_only = false});
    }
    if (spec.inputs.empty()) {
        return mounts;
    }
    const auto inputs = options.book.jobs / spec.token.value / k_inputs;
    mounts.push_back(
        {.source = inputs, .target = Path(std::string(k_pod_jobs) + spec.token.value) / k_inputs});
    for (const auto& [name, path] : spec.inputs) {
        if (path.is_absolute()) {
            mounts.push_back({.source = inputs / name, .target = path});
        }
    }
    return mounts;
}

std::string name_of(std::size_t number) {
    return fmt::format("shared-{}", number);
}

}  // namespace

std::vector<json> shared_volumes(const JobSpec& spec, const KubernetesOptions& options) {
    std::set<std::size_t> used;
    for (const auto& mount : mounts_of(spec, options)) {
        if (const auto place = place_of(mount.source, options.volumes)) {
            used.insert(place->number);
        }
    }
    std::vector<json> list;
    std::size_t number = 0;
    for (const auto& [path, kind] : options.volumes) {
        json volume = {{"name", name_of(number)}};
        if (kind.starts_with(k_claim)) {
            volume["persistentVolumeClaim"] = {{"claimName", kind.substr(k_claim.size())}};
        } else {
            volume["hostPath"] = {{"path", path}, {"type", "Directory"}};
        }
        if (used.contains(number++)) {
            list.push_back(std::move(volume));
        }
    }
    return list;
}

std::vector<json> shared_mounts(const JobSpec& spec, const KubernetesOptions& options) {
    std::vector<json> list;
    for (const auto& mount : mounts_of(spec, options)) {
        const auto place = place_of(mount.source, options.volumes);
        if (!place) {
            continue;
        }
        json one = {{"name", name_of(place->number)},
                    {"mountPath", mount.target.string()},
                    {"readOnly", mount.read_only}};
        if (place->inside != ".") {
            one["subPath"] = place->inside.string();
        }
        list.push_back(std::move(one));
    }
    return list;
}

Result<void> check_volumes(const JobSpec& spec, const KubernetesOptions& options) {
    for (const auto& mount : spec.mounts) {
        if (!place_of(mount.source, options.volumes)) {
            return fail(Fault::invalid, fmt::format("pods do not see {}", mount.source.string()),
                        {.where = "mounts",
                         .hint = fmt::format("name its file system in [backend.{}.volumes]",
                                             options.name)});
        }
    }
    return {};
}

// What a pod writes into its own directory goes with it.
Result<void> check_files(const JobSpec& spec, const KubernetesOptions& options) {
    const auto* key = spec.inputs.empty() ? "output" : "input";
    if ((!spec.inputs.empty() || !spec.outputs.empty()) && !sees_jobs(options)) {
        return fail(Fault::invalid,
                    fmt::format("the back end {} cannot do files: pods do not see {}", options.name,
                                options.book.jobs.string()),
                    {.where = key,
                     .hint = fmt::format("put the `jobs` of [backend.{0}] on a file system that "
                                         "[backend.{0}.volumes] names",
                                         options.name)});
    }
    if (!spec.outputs.empty() &&
        (spec.workdir.empty() || !place_of(spec.workdir, options.volumes))) {
        return fail(Fault::invalid, "what a pod leaves in a directory of its own is lost",
                    {.where = "output",
                     .hint = fmt::format("say a workdir on a file system of [backend.{}.volumes]",
                                         options.name)});
    }
    return {};
}

bool sees_jobs(const KubernetesOptions& options) {
    return place_of(options.book.jobs, options.volumes).has_value();
}

}  // namespace sust::cluster::kubernetes
