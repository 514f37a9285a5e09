#include "cluster/sites/local_site.h"

#include <vector>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include "cluster/sites/sites.h"
#include "core/text.h"
#include "core/toml.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::TomlTable;

namespace {

constexpr std::size_t k_entry_bytes = 64 << 10;
constexpr int k_groups_max = 1'024;

// By the name service of this machine, once: what changes there counts after a restart.
Result<Principal> look_up(const std::string& name) {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> buffer(k_entry_bytes);
    if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr) {
        return fail(Fault::invalid, "no user '" + core::printable(name, 60) + "' on this machine");
    }
    if (entry.pw_uid == 0) {
        return fail(Fault::invalid, "'" + core::printable(name, 60) + "' is root",
                    {.hint = "a job without a principal runs as sustd does"});
    }
    Principal principal{
        .name = name, .identity = {.uid = entry.pw_uid, .gid = entry.pw_gid}, .home = entry.pw_dir};
    int count = k_groups_max;
    principal.identity.groups.resize(k_groups_max);
    if (::getgrouplist(name.c_str(), entry.pw_gid, principal.identity.groups.data(), &count) < 0) {
        return fail(Fault::too_large, fmt::format("'{}' is in more than {} groups",
                                                  core::printable(name, 60), k_groups_max));
    }
    principal.identity.groups.resize(static_cast<std::size_t>(count));
    return principal;
}

}  // namespace

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
    for (const auto& name : TRY(table->texts("principals"))) {
        settings.principals.push_back(TRY(core::within(table->where("principals"), look_up(name))));
    }
    if (!settings.principals.empty() && settings.jobs.empty()) {
        return fail(Fault::invalid, "'principals' needs 'jobs'",
                    {.where = table->where("principals"),
                     .hint = "a directory that all of them may enter, as /var/spool/sust"});
    }
    TRY(table->no_other_keys());
    return settings;
}

}  // namespace sust::cluster
