#pragma once

// Which package mirror an image is built from.

#include <optional>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/result.h"

namespace sust::env {

// What the host's own Debian entry says. Lists of other vendors may lie beside it and do not know
// our suites, so an entry counts only if its suite is one of the host's release.
// deb822 (debian.sources): URIs of the first enabled stanza with Types deb and such a suite.
std::optional<std::string> mirror_of_deb822(std::string_view text, std::string_view codename);
// One line per entry (sources.list): "deb [options] URI SUITE COMPONENT...".
std::optional<std::string> mirror_of_list(std::string_view text, std::string_view codename);

struct Mirror {
    std::string url;
    std::string source;  // where it was found, for messages
};
// `etc` is /etc. not_found says where was looked and how to name a mirror.
core::Result<Mirror> host_mirror(const core::Path& etc);

}  // namespace sust::env
