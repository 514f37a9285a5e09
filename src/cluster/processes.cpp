#include "cluster/processes.h"

#include <csignal>
#include <map>

#include <dirent.h>
#include <fmt/format.h>

#include "core/text.h"

namespace sust::cluster {

using core::ProcessId;
using core::Result;

namespace {

constexpr std::size_t k_environment_bytes_max = 4 << 20;  // the kernel's own limit is lower

// Nothing for a process that has ended.
std::optional<ProcessInfo> look_at(pid_t pid, const std::string& boot_id) {
    const auto text = core::read_file(fmt::format("/proc/{}/stat", pid), 4096);
    const auto end = text ? text->rfind(')') : std::string::npos;
    if (end == std::string::npos) {
        return std::nullopt;
    }
    // After the name: state, parent, group, session, ..., start time at 19.
    const auto fields = core::split(core::trim(std::string_view(*text).substr(end + 1)), ' ');
    if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") {
        return std::nullopt;
    }
    const auto parent = core::parse_integer(fields[1]);
    const auto session = core::parse_integer(fields[3]);
    const auto ticks = core::parse_integer(fields[19]);
    if (!parent || !session || !ticks) {
        return std::nullopt;
    }
    return ProcessInfo{
        .id = {.boot_id = boot_id, .pid = pid, .start_ticks = static_cast<std::uint64_t>(*ticks)},
        .parent = static_cast<pid_t>(*parent),
        .session = static_cast<pid_t>(*session)};
}

bool carries(pid_t pid, const std::string& mark) {
    const auto text =
        core::read_file(fmt::format("/proc/{}/environ", pid), k_environment_bytes_max);
    if (!text) {
        return false;  // another user's, or gone
    }
    const std::string framed = std::string(1, '\0') + mark + std::string(1, '\0');
    return (std::string(1, '\0') + *text).find(framed) != std::string::npos;
}

// The real user, as kill(2) asks: one who runs a setuid program may still end it.
std::optional<uid_t> user_of(pid_t pid) {
    const auto text = core::read_file(fmt::format("/proc/{}/status", pid), 64 << 10);
    constexpr std::string_view k_line = "\nUid:\t";
    const auto begin = text ? text->find(k_line) : std::string::npos;
    if (begin == std::string::npos) {
        return std::nullopt;
    }
    const auto first = begin + k_line.size();
    const auto user =
        core::parse_integer(std::string_view(*text).substr(first, text->find('\t', first) - first));
    return user ? std::optional(static_cast<uid_t>(*user)) : std::nullopt;
}

}  // namespace

Result<std::vector<ProcessInfo>> list_processes() {
    const auto boot_id = TRY(core::boot_id());
    DIR* directory = ::opendir("/proc");
    if (directory == nullptr) {
        return core::fail_errno("list /proc", errno);
    }
    std::vector<ProcessInfo> found;
    while (const dirent* entry = ::readdir(directory)) {
        const auto pid = core::parse_integer(entry->d_name);
        const auto info = pid ? look_at(static_cast<pid_t>(*pid), boot_id) : std::nullopt;
        if (info) {
            found.push_back(*info);
        }
    }
    ::closedir(directory);
    return found;
}

std::vector<ProcessId> descendants_of(pid_t ancestor, const std::vector<ProcessInfo>& all) {
    std::multimap<pid_t, const ProcessInfo*> children;
    for (const auto& process : all) {
        children.emplace(process.parent, &process);
    }
    std::vector<ProcessId> found;
    std::vector<pid_t> parents = {ancestor};
    while (!parents.empty()) {
        const auto [first, last] = children.equal_range(parents.back());
        parents.pop_back();
        for (auto child = first; child != last; ++child) {
            found.push_back(child->second->id);
            parents.push_back(child->second->id.pid);
        }
        children.erase(first, last);
    }
    return found;
}

std::vector<ProcessId> leftovers_of(const ProcessId& leader, const std::string& mark,
                                    const std::vector<ProcessInfo>& all) {
    // Session 0 is everyone from outside this pid namespace, and the kernel; 1 is the machine's.
    bool no_session = leader.pid <= 1;
    for (const auto& process : all) {
        no_session |= process.id.pid == leader.pid && process.id != leader;
    }
    std::vector<ProcessId> found;
    for (const auto& process : all) {
        const bool member = !no_session && process.session == leader.pid &&
                            process.id.start_ticks >= leader.start_ticks;
        if (member || carries(process.id.pid, mark)) {
            found.push_back(process.id);
        }
    }
    return found;
}

std::vector<ProcessId> only_of(uid_t user, std::vector<ProcessId> processes) {
    std::erase_if(processes, [&](const ProcessId& id) { return user_of(id.pid) != user; });
    return processes;
}

void kill_all(const std::vector<ProcessId>& processes) {
    for (const auto& process : processes) {
        (void)core::send_signal(process, SIGKILL);
    }
}

}  // namespace sust::cluster
