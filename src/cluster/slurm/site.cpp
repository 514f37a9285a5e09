#include "cluster/slurm/site.h"

#include "cluster/relay.h"

namespace sust::cluster::slurm {

Result<SlurmOptions> read_options(const std::string& name, const core::TomlTable& table,
                                  const SiteDefaults& defaults) {
    SlurmOptions options{.name = name, .base = defaults.base};
    options.book.jobs = TRY(absolute_path(table, "jobs", {}));
    options.agent = TRY(absolute_path(table, "agent", defaults.agent));
    options.commands = TRY(table.text_map("env"));
    options.network = TRY(table.text("network")).value_or("");
    if (!options.network.empty()) {
        TRY(core::within(table.where("network"), check_network(options.network)));
    }
    options.partition = TRY(table.text("partition")).value_or("");
    options.account = TRY(table.text("account")).value_or("");
    using namespace std::chrono_literals;
    options.period = TRY(at_least(table, "period", 1s, options.period));
    options.patience = TRY(at_least(table, "patience", 1s, options.patience));
    options.carrier_grace = TRY(at_least(table, "carrier_grace", 0s, options.carrier_grace));
    options.silence = TRY(at_least(table, "silence", 10s, options.silence));
    return options;
}

Result<Site> read_site(const std::string& name, const core::TomlTable& table,
                       const SiteDefaults& defaults) {
    return Site{.name = name,
                .open = [options = TRY(read_options(name, table, defaults))](
                            const core::Clock& clock, core::Log log) {
                    return open_slurm(options, clock, std::move(log));
                }};
}

}  // namespace sust::cluster::slurm
