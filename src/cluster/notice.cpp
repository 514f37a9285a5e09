#include "cluster/notice.h"

#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cluster/processes.h"
#include "core/file.h"
#include "core/text.h"

namespace sust::cluster {

namespace {

// A line "SigCgt:\t00000000..." of /proc/PID/status has the bit of the signal.
bool has_bit(std::string_view status, std::string_view name, int signal) {
    const auto begin = status.find(name);
    if (begin == std::string_view::npos) {
        return false;
    }
    const auto line = status.substr(begin, status.find('\n', begin) - begin);
    const auto digits = core::trim(line.substr(name.size()));
    std::uint64_t mask = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), mask, 16);
    return (mask >> (signal - 1) & 1) != 0;
}

enum class Ear { none, blocks, blocks_asleep, catches };

Ear ear_of(pid_t pid) {
    const auto status = core::read_file(fmt::format("/proc/{}/status", pid), 64 << 10);
    if (!status) {
        return Ear::none;
    }
    if (has_bit(*status, "SigCgt:", SIGUSR1)) {
        return Ear::catches;
    }
    if (!has_bit(*status, "SigBlk:", SIGUSR1)) {
        return Ear::none;
    }
    return status->find("\nState:\tS") == std::string::npos ? Ear::blocks : Ear::blocks_asleep;
}

// Between vfork and exec: a handler that ran there would run in the parent, which hears for itself.
bool is_parent_still(pid_t process, pid_t parent) {
    return ::syscall(SYS_kcmp, process, parent, KCMP_VM, 0, 0) == 0;
}

bool is_agent(pid_t process) {
    std::error_code trouble;
    return std::filesystem::equivalent(fmt::format("/proc/{}/exe", process), "/proc/self/exe",
                                       trouble);
}

// An agent among the descendants, of several nodes on one machine, gives notice to its own.
void leave_to_agents(pid_t ancestor, std::vector<ProcessInfo>& all) {
    std::set<pid_t> agents;
    for (const auto& process : descendants_of(ancestor, all)) {
        if (is_agent(process.pid)) {
            agents.insert(process.pid);
        }
    }
    std::erase_if(all, [&](const auto& process) { return agents.contains(process.parent); });
}

// One look is not enough: a shell blocks every signal while it forks, and its child has the shell's
// handlers until it becomes another program. Whoever waits for a signal by blocking it sleeps.
std::vector<core::ProcessId> listeners(std::vector<core::ProcessId> processes) {
    constexpr int k_looks = 5;
    std::set<pid_t> sure;
    for (int look = 0; look < k_looks; ++look) {
        std::this_thread::sleep_for(std::chrono::milliseconds(look == 0 ? 0 : 10));
        std::erase_if(processes, [&](const auto& process) {
            const auto ear = ear_of(process.pid);
            if (ear == Ear::catches || ear == Ear::blocks_asleep) {
                sure.insert(process.pid);
            }
            return ear == Ear::none;
        });
    }
    std::erase_if(processes, [&](const auto& process) { return !sure.contains(process.pid); });
    return processes;
}

}  // namespace

void give_notice(pid_t ancestor) {
    auto all = list_processes();
    if (!all) {
        return;
    }
    leave_to_agents(ancestor, *all);
    std::map<pid_t, pid_t> parents;
    for (const auto& process : *all) {
        parents[process.id.pid] = process.parent;
    }
    for (const auto& process : listeners(descendants_of(ancestor, *all))) {
        if (!is_parent_still(process.pid, parents[process.pid])) {
            (void)core::send_signal(process, SIGUSR1);
        }
    }
}

}  // namespace sust::cluster
