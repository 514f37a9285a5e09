#include "apps/sust/context.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::cli {
namespace {

using core::SettingKind;
using core::SettingSpec;

constexpr std::array k_specs{
    SettingSpec{"gateway.listen", SettingKind::text, "127.0.0.1:8080",
                "address and port of the OpenAI endpoint; port 0 lets the kernel choose"},
    SettingSpec{"gateway.threads", SettingKind::integer, "0", "0: one per core"},
    SettingSpec{"image.mirror", SettingKind::text, "",
                "Debian mirror for image builds; empty: the one of this machine"},
    SettingSpec{"log.file_size", SettingKind::size, "16MiB", "a log file rotates at this size"},
    SettingSpec{"log.files", SettingKind::integer, "5", "rotated log files that are kept"},
    SettingSpec{"log.level", SettingKind::text, "info", "debug, info, warn or error"},
};

}  // namespace

std::span<const SettingSpec> setting_specs() {
    return k_specs;
}

std::string Context::command(std::string_view words) const {
    return root.empty() ? fmt::format("sust {}", words)
                        : fmt::format("sust --root {} {}", root.string(), words);
}

Result<void> take_root(Context& context, const core::Path& root) {
    const auto variable = context.environment.find("SUST_ROOT");
    const bool from_environment = root.empty() && variable != context.environment.end();
    context.root = from_environment ? core::Path(variable->second) : root;
    context.root_source = from_environment ? "SUST_ROOT" : "--root";
    if (!context.root.empty()) {
        context.root = std::filesystem::absolute(context.root).lexically_normal();
    }
    const auto executable = std::filesystem::read_symlink("/proc/self/exe");
    context.places =
        TRY(core::find_places(context.environment, executable, ::getuid(), context.root));
    return {};
}

Result<void> take_global(Context& context, const Global& global) {
    context.json = global.json;
    context.yes = global.yes;
    context.quiet = global.quiet;
    context.overrides = TRY(parse_pairs("--config", global.config));
    std::vector<std::string> known;
    for (const auto& spec : setting_specs()) {
        known.emplace_back(spec.key);
    }
    for (const auto& [key, value] : context.overrides) {
        if (std::find(known.begin(), known.end(), key) == known.end()) {
            const auto near = core::nearest(key, known);
            return core::fail(
                Fault::invalid, "--config " + core::printable(key) + " is not a setting",
                {.hint = near ? "did you mean " + *near + "=VALUE?" : "sust config show"});
        }
    }
    return take_root(context, global.root);
}

Result<core::Settings> Context::settings() const {
    const std::array files{core::Path("/etc/sust/settings.toml"), places.config / "settings.toml"};
    // With --root nothing outside of it is read.
    const std::span<const core::Path> weakest_first(files);
    return core::Settings::load(k_specs, environment,
                                root.empty() ? weakest_first : weakest_first.subspan(1), overrides);
}

Result<void> confirm(const Context& context, std::string_view question) {
    if (context.yes) {
        return {};
    }
    if (::isatty(STDIN_FILENO) == 0) {
        return core::fail(Fault::invalid, fmt::format("{} needs a yes", question),
                          {.hint = "add --yes"});
    }
    std::cerr << question << " [y/N] " << std::flush;
    std::string answer;
    if (std::getline(std::cin, answer) && (answer == "y" || answer == "yes")) {
        return {};
    }
    return core::fail(Fault::invalid, "nothing was done");
}

}  // namespace sust::cli
