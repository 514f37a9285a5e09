#include "cluster/slurm/principals.h"

#include <array>
#include <cerrno>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;

namespace {

constexpr int k_groups_max = 65536;  // the kernel's own bound

core::Result<Principal> look_up(const std::string& name) {
    constexpr std::size_t k_entry_bytes = 64 << 10;
    std::vector<char> buffer(k_entry_bytes);
    passwd entry{};
    passwd* found = nullptr;
    const int code = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return fail(Fault::invalid,
                    fmt::format("this machine knows no user '{}'", core::printable(name, 64)),
                    {.hint = code == 0 ? "" : "is the name service up?"});
    }
    if (entry.pw_uid == 0) {
        return fail(Fault::invalid, "root is no principal: its jobs would be anybody's");
    }
    Principal who{
        .identity = {.name = entry.pw_name, .uid = entry.pw_uid, .gid = entry.pw_gid, .groups = {}},
        .home = entry.pw_dir,
        .shell = entry.pw_shell};
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    while (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) {
        if (count <= static_cast<int>(groups.size()) || count > k_groups_max) {
            return fail(Fault::invalid, fmt::format("{} has too many groups", name));
        }
        groups.resize(static_cast<std::size_t>(count));
    }
    groups.resize(static_cast<std::size_t>(count));
    who.identity.groups = std::move(groups);
    return who;
}

}  // namespace

core::Result<Principals> Principals::find(const std::vector<std::string>& names) {
    Principals all;
    if (!names.empty() && ::geteuid() != 0) {
        return fail(
            Fault::denied, "only root runs jobs as others",
            {.where = "principals", .hint = "run sustd as root, or leave out `principals`"});
    }
    for (const auto& name : names) {
        all.by_name_.emplace(name, TRY(look_up(name)));
    }
    return all;
}

const Principal* Principals::named(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &found->second;
}

const Principal* Principals::of(uid_t uid) const {
    for (const auto& [name, who] : by_name_) {
        if (who.identity.uid == uid) {
            return &who;
        }
    }
    return nullptr;
}

std::vector<std::string> Principals::names() const {
    std::vector<std::string> all;
    for (const auto& [name, who] : by_name_) {
        all.push_back(name);
    }
    return all;
}

std::vector<std::string> becoming(const std::vector<std::string>& words, const Principal& who) {
    const std::array<std::pair<std::string_view, std::string>, 3> places = {
        {{"{user}", who.identity.name},
         {"{uid}", std::to_string(who.identity.uid)},
         {"{gid}", std::to_string(who.identity.gid)}}};
    auto filled = words;
    for (auto& word : filled) {
        for (const auto& [place, value] : places) {
            if (const auto at = word.find(place); at != std::string::npos) {
                word.replace(at, place.size(), value);
            }
        }
    }
    return filled;
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

}  // namespace sust::cluster::slurm
