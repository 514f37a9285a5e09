#include "cluster/kubernetes/site.h"

#include "cluster/kubernetes/discovery.h"
#include "cluster/kubernetes/volumes.h"
#include "cluster/relay.h"
#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using core::TomlTable;
using namespace std::chrono_literals;

namespace {

Result<void> read_cluster(KubernetesOptions& options, const TomlTable& table,
                          const SiteDefaults& defaults) {
    options.book.jobs = TRY(absolute_path(table, "jobs", defaults.data / "sites" / options.name));
    options.book.max_live_jobs = k_live_jobs_max;
    if (table.has("kubeconfig")) {
        options.kubeconfig = TRY(absolute_path(table, "kubeconfig", {}));
    }
    options.context = TRY(table.text("context")).value_or("");
    options.space = TRY(table.text("namespace")).value_or("");
    options.environment = defaults.environment;
    options.patience = TRY(at_least(table, "patience", 1s, options.patience));
    options.start_patience = TRY(at_least(table, "start_patience", 1s, options.start_patience));
    options.node_patience = TRY(at_least(table, "node_patience", 0s, options.node_patience));
    return {};
}

Result<void> read_pods(KubernetesOptions& options, const TomlTable& table) {
    options.agent_image = TRY(table.required_text("agent_image"));
    options.shape = TRY(table.text("shape")).value_or(options.shape);
    TRY(core::within(table.where("shape"), check_shape({}, options)));
    options.image = TRY(table.text("image")).value_or("");
    options.images = TRY(table.text_map("images"));
    options.volumes = TRY(table.text_map("volumes"));
    for (const auto& [path, kind] : options.volumes) {
        const bool known = kind == "host" || (kind.starts_with(k_claim) && kind != k_claim);
        if (!Path(path).is_absolute() || !known) {
            return fail(Fault::invalid, "'" + core::printable(path) + "' is no volume",
                        {.where = table.where("volumes"),
                         .hint = "\"/absolute/path\" = \"host\", or \"claim:NAME\""});
        }
    }
    options.network = TRY(table.text("network")).value_or("");
    if (!options.network.empty()) {
        TRY(core::within(table.where("network"), check_network(options.network)));
    }
    options.node_selector = TRY(table.text_map("node_selector"));
    options.tolerations = TRY(table.text_map("tolerations"));
    options.service_accounts = TRY(table.text_map("service_accounts"));
    options.priority_classes = TRY(table.text_map("priority_classes"));
    options.queue = TRY(table.text("queue")).value_or("");
    options.gpu_resource = TRY(table.text("gpu_resource")).value_or(options.gpu_resource);
    options.gpu_label = TRY(table.text("gpu_label")).value_or(options.gpu_label);
    const auto deleted =
        TRY(table.text("deleted")).value_or(std::string(to_string(options.deleted)));
    if (deleted != to_string(End::cancelled) && deleted != to_string(End::preempted)) {
        return fail(Fault::invalid,
                    "'" + core::printable(deleted) + "' is no meaning of a deletion",
                    {.where = table.where("deleted"), .hint = "\"cancelled\" or \"preempted\""});
    }
    options.deleted = TRY(parse_end(deleted));
    options.host_network = TRY(table.boolean("host_network")).value_or(false);
    options.fixed_nodes = TRY(table.boolean("fixed_nodes")).value_or(true);
    for (const auto& [least, name] : options.priority_classes) {
        const auto number = core::parse_integer(least);
        if (!number || *number < k_priority_min || *number > k_priority_max) {
            return fail(Fault::invalid, "'" + core::printable(least) + "' is no priority",
                        {.where = table.where("priority_classes"),
                         .hint = "\"LEAST PRIORITY\" = \"class\", from -1000 to 1000"});
        }
    }
    return {};
}

}  // namespace

Result<KubernetesOptions> read_options(const std::string& name, const TomlTable& table,
                                       const SiteDefaults& defaults) {
    KubernetesOptions options{.name = name};
    options.shapes = TRY(load_shapes(defaults.shapes));
    TRY(read_cluster(options, table, defaults));
    TRY(read_pods(options, table));
    return options;
}

Result<Site> read_site(const std::string& name, const TomlTable& table,
                       const SiteDefaults& defaults) {
    auto options = TRY(read_options(name, table, defaults));
    return Site{.name = name,
                .open = [options = std::move(options)](const core::Clock& clock, core::Log log) {
                    return open_kubernetes(options, clock, std::move(log));
                }};
}

}  // namespace sust::cluster::kubernetes
