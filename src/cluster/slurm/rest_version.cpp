#include "cluster/slurm/rest_version.h"

#include <algorithm>
#include <array>

namespace sust::cluster::slurm {

namespace {

// v0.0.39 is left out: every Slurm that has it has one of its neighbours, too.
constexpr std::array<RestVersion, 4> k_versions = {{{.name = "v0.0.42", .structured = true},
                                                    {.name = "v0.0.41", .structured = true},
                                                    {.name = "v0.0.40", .structured = true},
                                                    {.name = "v0.0.38", .structured = false}}};

}  // namespace

std::span<const RestVersion> rest_versions() {
    return k_versions;
}

const RestVersion* rest_version_named(std::string_view name) {
    const auto found = std::find_if(k_versions.begin(), k_versions.end(),
                                    [&](const RestVersion& known) { return known.name == name; });
    return found == k_versions.end() ? nullptr : &*found;
}

std::string_view rest_version_names() {
    return "v0.0.42, v0.0.41, v0.0.40, v0.0.38";
}

}  // namespace sust::cluster::slurm
