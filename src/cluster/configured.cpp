#include "cluster/configured.h"

#include "core/text.h"
#include "core/toml.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::TomlTable;

namespace {

Result<Path> absolute_path(const TomlTable& table, std::string_view key, Path otherwise) {
    const auto said = TRY(table.text(key));
    Path path = said ? Path(*said) : std::move(otherwise);
    if (!path.is_absolute()) {
        return fail(Fault::invalid, "'" + std::string(key) + "' is to be an absolute path",
                    {.where = table.where(key), .hint = "nodes see it at the same path"});
    }
    return path;
}

Result<Duration> at_least(const TomlTable& table, std::string_view key, Duration least,
                          Duration usual) {
    const auto value = TRY(table.duration(key)).value_or(usual);
    return value >= least
               ? Result<Duration>(value)
               : fail(Fault::invalid,
                      "'" + std::string(key) + "' is at least " + core::format_duration(least),
                      {.where = table.where(key)});
}

Result<SlurmOptions> slurm_of(const std::string& name, const TomlTable& table,
                              const SiteDefaults& defaults) {
    SlurmOptions options{.name = name, .base = defaults.base};
    options.book.jobs = TRY(absolute_path(table, "jobs", {}));
    options.agent = TRY(absolute_path(table, "agent", defaults.agent));
    options.commands = TRY(table.text_map("env"));
    options.partition = TRY(table.text("partition")).value_or("");
    options.account = TRY(table.text("account")).value_or("");
    using namespace std::chrono_literals;
    options.period = TRY(at_least(table, "period", 1s, options.period));
    options.patience = TRY(at_least(table, "patience", 1s, options.patience));
    options.carrier_grace = TRY(at_least(table, "carrier_grace", 0s, options.carrier_grace));
    options.silence = TRY(at_least(table, "silence", 10s, options.silence));
    TRY(table.no_other_keys());
    return options;
}

}  // namespace

Result<std::vector<SlurmOptions>> read_backends(std::string_view text, const std::string& origin,
                                                const SiteDefaults& defaults) {
    const auto document = TRY(TomlTable::parse(text, origin));
    std::vector<SlurmOptions> sites;
    const auto all = TRY(document.table("backend"));
    for (const auto& name : all ? all->keys() : std::vector<std::string>()) {
        const auto table = TRY(all->table(name));
        TRY(core::within(all->where(name), core::check_name("back end", name)));
        const auto type = TRY(table->required_text("type"));
        if (type != "slurm" || name == "local") {
            return fail(Fault::invalid,
                        name == "local" ? "'local' is this machine"
                                        : "no back end of type '" + core::printable(type, 40) + "'",
                        {.where = table->where("type"), .hint = "type = \"slurm\""});
        }
        sites.push_back(TRY(slurm_of(name, *table, defaults)));
    }
    TRY(document.no_other_keys());
    return sites;
}

std::vector<std::unique_ptr<Scheduler>> open_backends(std::vector<SlurmOptions> sites,
                                                      const core::Clock& clock,
                                                      const core::Log& log) {
    std::vector<std::unique_ptr<Scheduler>> opened;
    for (auto& site : sites) {
        const auto name = site.name;
        auto scheduler = open_slurm(std::move(site), clock, log.component(name));
        if (scheduler) {
            opened.push_back(std::move(*scheduler));
        } else {
            log.error("a back end cannot be opened: " + name, scheduler.error());
        }
    }
    return opened;
}

}  // namespace sust::cluster
