#include "env/hold.h"

#include <unistd.h>

#include "core/text.h"

namespace sust::env {

namespace {

constexpr std::string_view k_kind = "mount";

}  // namespace

std::string root_id(const core::ProcessId& process) {
    return std::to_string(process.pid) + "-" + std::to_string(process.start_ticks) + "-" +
           process.boot_id;
}

std::optional<core::ProcessId> process_of_root(std::string_view id) {
    auto first = id.find('-');
    auto second = first == std::string_view::npos ? first : id.find('-', first + 1);
    if (second == std::string_view::npos) {
        return std::nullopt;
    }
    auto pid = core::parse_integer(id.substr(0, first));
    auto ticks = core::parse_integer(id.substr(first + 1, second - first - 1));
    if (!pid || !ticks || *pid <= 0 || *ticks < 0) {
        return std::nullopt;
    }
    return core::ProcessId{.boot_id = std::string(id.substr(second + 1)),
                           .pid = static_cast<pid_t>(*pid),
                           .start_ticks = static_cast<std::uint64_t>(*ticks)};
}

Result<void> hold_image(const Plan& plan, store::Store& store, const core::Clock& clock) {
    if (!plan.image) {
        return {};
    }
    auto self = TRY(core::identify(::getpid()));
    return store.set_root({.kind = std::string(k_kind),
                           .id = root_id(self),
                           .owner = "sust run --environment " + plan.name + " (process " +
                                    std::to_string(self.pid) + ")",
                           .since = clock.wall(),
                           .holds = {*plan.image}});
}

Result<int> release_stale_mounts(store::Store& store) {
    int released = 0;
    for (const auto& root : TRY(store.roots())) {
        if (root.kind != k_kind) {
            continue;
        }
        auto process = process_of_root(root.id);
        if (process && core::alive(*process)) {
            continue;
        }
        TRY(store.remove_root(root.kind, root.id));
        ++released;
    }
    return released;
}

}  // namespace sust::env
