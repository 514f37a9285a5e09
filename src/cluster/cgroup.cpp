#include "cluster/cgroup.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::Path;
using core::Result;

namespace {

constexpr std::size_t k_proc_bytes_max = 1 << 20;

bool has_word(const Path& file, std::string_view word) {
    const auto text = core::read_file(file, k_proc_bytes_max);
    const auto words = core::split(core::trim(text.value_or("")), ' ');
    return std::find(words.begin(), words.end(), word) != words.end();
}

// Hands the controller down to the groups below.
bool enable_memory(const Path& group) {
    const auto file = group / "cgroup.subtree_control";
    if (has_word(file, "memory")) {
        return true;
    }
    constexpr std::string_view k_word = "+memory";
    const core::Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    return fd && ::write(fd.get(), k_word.data(), k_word.size()) > 0;
}

Result<Path> open_under(const Path& parent) {
    if (!has_word(parent / "cgroup.controllers", "memory")) {
        return fail(Fault::unavailable, "no memory controller", {.where = parent.string()});
    }
    const auto group = parent / "sust";
    // Who moves a process has to be allowed to write where its old and its new group meet.
    if (!enable_memory(parent) || ::access((parent / "cgroup.procs").c_str(), W_OK) != 0 ||
        (::mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) || !enable_memory(group)) {
        return fail(Fault::unavailable, "not delegated to this user", {.where = parent.string()});
    }
    return group;
}

}  // namespace

// "36 25 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw": the folder is the fifth word.
Path unified_mount(std::string_view mountinfo) {
    for (const auto& line : core::split(mountinfo, '\n')) {
        const auto words = core::split(line, ' ');
        const auto dash = std::find(words.begin(), words.end(), "-");
        if (words.size() > 4 && words.end() - dash > 1 && *(dash + 1) == "cgroup2") {
            return words[4];
        }
    }
    return {};
}

Path own_group(std::string_view cgroups) {
    for (const auto& line : core::split(cgroups, '\n')) {
        if (line.starts_with("0::/")) {
            return line.substr(3);
        }
    }
    return {};
}

Result<Path> open_cgroups(const Path& wanted) {
    if (!wanted.empty()) {
        return open_under(wanted);
    }
    const auto mount =
        unified_mount(core::read_file("/proc/self/mountinfo", k_proc_bytes_max).value_or(""));
    if (mount.empty()) {
        return fail(Fault::unavailable, "no unified hierarchy of control groups is mounted");
    }
    auto opened = open_under(mount);
    if (opened) {
        return opened;
    }
    // The group that holds ours; ours itself has processes, and so may not have groups with limits.
    const auto own = own_group(core::read_file("/proc/self/cgroup", k_proc_bytes_max).value_or(""));
    const auto above = own.parent_path();
    return own.empty() || above == own || above == "/" ? opened
                                                       : open_under(mount / above.relative_path());
}

}  // namespace sust::cluster
