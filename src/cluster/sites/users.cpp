#include "cluster/sites/users.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;

namespace {

constexpr int k_groups_max = 65536;  // the kernel's own bound

Result<Principal> look_up(const std::string& name) {
    constexpr std::size_t k_entry_bytes = 64 << 10;
    std::vector<char> buffer(k_entry_bytes);
    passwd entry{};
    passwd* found = nullptr;
    const int code = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return fail(
            Fault::invalid,
            fmt::format("this machine knows no user '{}'", core::printable(name, 64)),
            {.hint = code == 0 ? "make it, or take it off the list" : "is the name service up?"});
    }
    if (entry.pw_uid == 0) {
        return fail(Fault::invalid,
                    fmt::format("'{}' is root, and root is no principal: its jobs would be "
                                "anybody's",
                                core::printable(name, 64)),
                    {.hint = "a job that names no principal runs as sustd does"});
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

Result<Principals> find_principals(const std::vector<std::string>& names) {
    std::vector<Principal> all;
    for (const auto& name : names) {
        all.push_back(TRY(look_up(name)));
    }
    return Principals(std::move(all));
}

}  // namespace sust::cluster
