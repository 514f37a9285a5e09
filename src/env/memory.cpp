#include "env/memory.h"

#include <algorithm>

#include "core/text.h"

namespace sust::env {

using core::Path;

namespace {

constexpr std::size_t k_max_bytes = 1 << 20;

std::optional<std::uint64_t> number_in(const Path& file) {
    auto text = core::read_file(file, k_max_bytes);
    auto value = core::parse_integer(core::trim(text.value_or("")));
    return value && *value >= 0 ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

std::optional<std::uint64_t> of_machine(const Path& proc) {
    for (const auto& line :
         core::split(core::read_file(proc / "meminfo", k_max_bytes).value_or(""), '\n')) {
        if (line.starts_with("MemAvailable:") && line.ends_with(" kB")) {
            auto kilobytes = core::parse_integer(core::trim(line.substr(13, line.size() - 16)));
            return kilobytes ? std::optional(static_cast<std::uint64_t>(*kilobytes) * 1024)
                             : std::nullopt;
        }
    }
    return std::nullopt;
}

// "0::/user.slice/session-3.scope" names the group; every group above it may have a limit as well.
std::optional<std::uint64_t> of_groups(const Path& proc, const Path& cgroup) {
    std::optional<std::uint64_t> least;
    for (const auto& line :
         core::split(core::read_file(proc / "self" / "cgroup", k_max_bytes).value_or(""), '\n')) {
        if (!line.starts_with("0::/")) {
            continue;
        }
        for (Path group = line.substr(3);; group = group.parent_path()) {
            auto folder = cgroup / group.relative_path();
            auto limit = number_in(folder / "memory.max");
            auto used = number_in(folder / "memory.current");
            if (limit && used) {
                auto left = *limit - std::min(*limit, *used);
                least = std::min(left, least.value_or(left));
            }
            if (!group.has_relative_path()) {
                break;
            }
        }
    }
    return least;
}

}  // namespace

std::optional<std::uint64_t> available_memory(const Path& proc, const Path& cgroup) {
    auto machine = of_machine(proc);
    auto groups = of_groups(proc, cgroup);
    return machine && groups ? std::min(machine, groups) : machine;
}

}  // namespace sust::env
