#include "cluster/sites/local_site.h"

#include "cluster/sites/sites.h"
#include "cluster/sites/users.h"
#include "core/toml.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::TomlTable;

Result<LocalSettings> read_local(std::string_view text, const std::string& origin) {
    constexpr std::int64_t k_gpus_max = 1'000;
    const auto document = TRY(TomlTable::parse(text, origin));
    const auto table = TRY(document.table("local"));
    LocalSettings settings;
    if (!table) {
        return settings;
    }
    if (const auto gpus = TRY(table->integer("gpus"))) {
        if (*gpus < 0 || *gpus > k_gpus_max) {
            return fail(Fault::invalid, "'gpus' is between 0 and 1000",
                        {.where = table->where("gpus")});
        }
        settings.gpus = static_cast<int>(*gpus);
    }
    settings.gpu_type = TRY(table->text("gpu_type")).value_or("");
    if (table->has("cgroup")) {
        settings.cgroup = TRY(absolute_path(*table, "cgroup", {}));
    }
    if (table->has("jobs")) {
        settings.jobs = TRY(absolute_path(*table, "jobs", {}));
    }
    const auto names = TRY(table->texts("principals"));
    settings.principals = TRY(core::within(table->where("principals"), find_principals(names)));
    if (!settings.principals.empty() && settings.jobs.empty()) {
        return fail(Fault::invalid, "'principals' needs 'jobs'",
                    {.where = table->where("principals"),
                     .hint = "a directory that all of them may enter, as /var/spool/sust"});
    }
    TRY(table->no_other_keys());
    return settings;
}

}  // namespace sust::cluster
