#include "cluster/sites/sites.h"

#include <algorithm>

#include "cluster/kubernetes/site.h"
#include "cluster/simulated/config.h"
#include "cluster/slurm/site.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::TomlTable;

namespace {

struct Type {
    std::string_view name;
    Result<Site> (*read)(const std::string& name, const TomlTable& table,
                         const SiteDefaults& defaults);
};
constexpr Type k_types[] = {{"kubernetes", kubernetes::read_site},
                            {"slurm", slurm::read_site},
                            {"simulated", simulated::read_site}};

Result<Site> read_site(const std::string& name, const TomlTable& table,
                       const SiteDefaults& defaults) {
    if (name == "local") {
        return fail(Fault::invalid, "'local' is this machine",
                    {.where = table.where("type"), .hint = "give the back end another name"});
    }
    const auto type = TRY(table.required_text("type"));
    const auto* known = std::find_if(std::begin(k_types), std::end(k_types),
                                     [&](const Type& one) { return one.name == type; });
    if (known == std::end(k_types)) {
        std::string names;
        for (const auto& one : k_types) {
            names += (names.empty() ? "type = \"" : " or \"") + std::string(one.name) + "\"";
        }
        return fail(Fault::invalid, "no back end of type '" + core::printable(type, 40) + "'",
                    {.where = table.where("type"), .hint = names});
    }
    return known->read(name, table, defaults);
}

}  // namespace

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

Result<std::vector<Site>> read_sites(std::string_view text, const std::string& origin,
                                     const SiteDefaults& defaults) {
    const auto document = TRY(TomlTable::parse(text, origin));
    std::vector<Site> sites;
    const auto all = TRY(document.table("backend"));
    for (const auto& name : all ? all->keys() : std::vector<std::string>()) {
        const auto table = TRY(all->table(name));
        TRY(core::within(all->where(name), core::check_name("back end", name)));
        sites.push_back(TRY(read_site(name, *table, defaults)));
        TRY(table->no_other_keys());
    }
    TRY(document.table("local"));  // read_local's
    TRY(document.no_other_keys());
    return sites;
}

std::vector<std::unique_ptr<Scheduler>> open_sites(const std::vector<Site>& sites,
                                                   const core::Clock& clock, const core::Log& log) {
    std::vector<std::unique_ptr<Scheduler>> opened;
    for (const auto& site : sites) {
        auto scheduler = site.open(clock, log.component(site.name));
        if (scheduler) {
            opened.push_back(std::move(*scheduler));
        } else {
            log.error("a back end cannot be opened: " + site.name, scheduler.error());
        }
    }
    return opened;
}

}  // namespace sust::cluster
