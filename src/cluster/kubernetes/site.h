#pragma once

// [backend.NAME] with type = "kubernetes" (docs/operate/kubernetes.md).

#include "cluster/kubernetes/kubernetes.h"
#include "cluster/sites/sites.h"

namespace sust::cluster::kubernetes {

Result<KubernetesOptions> read_options(const std::string& name, const core::TomlTable& table,
                                       const SiteDefaults& defaults);
Result<Site> read_site(const std::string& name, const core::TomlTable& table,
                       const SiteDefaults& defaults);

}  // namespace sust::cluster::kubernetes
