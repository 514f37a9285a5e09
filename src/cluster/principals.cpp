#include "cluster/principals.h"

#include <algorithm>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::Identity;

const Principal* Principals::named(const std::string& name) const {
    const auto found = std::find_if(
        all_.begin(), all_.end(), [&](const Principal& who) { return who.identity.name == name; });
    return found == all_.end() ? nullptr : &*found;
}

const Principal* Principals::of(uid_t uid) const {
    const auto found = std::find_if(all_.begin(), all_.end(),
                                    [&](const Principal& who) { return who.identity.uid == uid; });
    return found == all_.end() ? nullptr : &*found;
}

std::vector<std::string> Principals::names() const {
    std::vector<std::string> all;
    for (const auto& who : all_) {
        all.push_back(who.identity.name);
    }
    return all;
}

Result<std::optional<Identity>> Principals::owner_for(const JobSpec& spec,
                                                      std::string_view backend) const {
    if (spec.principal.empty()) {
        return std::optional<Identity>();
    }
    const auto* who = named(spec.principal);
    if (who == nullptr) {
        return fail(
            Fault::denied,
            fmt::format("{} does not run jobs as {}", backend, core::printable(spec.principal, 64)),
            {.where = "principal",
             .hint = fmt::format("it does as {}: `principals` in backends.toml lists who may",
                                 core::join(names(), ", "))});
    }
    return std::optional<Identity>(who->identity);
}

std::optional<Identity> Principals::owner_of(const Path& directory) const {
    struct stat info {};
    struct stat folder {};
    // A server of files may say of all that is ours that it belongs to somebody else.
    if (::geteuid() != 0 || ::lstat(directory.c_str(), &info) != 0 || info.st_uid == 0 ||
        ::stat(directory.parent_path().c_str(), &folder) != 0 || info.st_uid == folder.st_uid) {
        return {};
    }
    const auto* who = of(info.st_uid);
    return who != nullptr ? who->identity
                          : Identity{.name = fmt::format("user {}", info.st_uid),
                                     .uid = info.st_uid,
                                     .gid = info.st_gid};
}

core::Environment environment_of(const Principal& who, core::Environment base) {
    for (auto entry = base.begin(); entry != base.end();) {
        entry = entry->first.starts_with("XDG_") ? base.erase(entry) : std::next(entry);
    }
    base["HOME"] = who.home;
    base["USER"] = base["LOGNAME"] = who.identity.name;
    if (base.count("SHELL") > 0) {
        base["SHELL"] = who.shell;
    }
    return base;
}

}  // namespace sust::cluster
