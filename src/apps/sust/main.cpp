// sust: the command line. Reads the environment once, finds the verb, runs it, prints its error.

#include <filesystem>
#include <iostream>

#include <signal.h>
#include <unistd.h>

#include "apps/common/process_environment.h"
#include "apps/sust/parse.h"
#include "apps/sust/print.h"
#include "core/text.h"

namespace {

using namespace sust;

constexpr std::string_view k_version = SUST_VERSION;

core::Result<void> fill(cli::Context& context, const cli::Global& global) {
    context.json = global.json;
    context.yes = global.yes;
    context.quiet = global.quiet;
    context.version = k_version;
    const auto variable = context.environment.find("SUST_ROOT");
    context.root = !global.root.empty()                    ? global.root
                   : variable != context.environment.end() ? core::Path(variable->second)
                                                           : core::Path();
    if (!context.root.empty()) {
        context.root = std::filesystem::absolute(context.root).lexically_normal();
    }
    for (const auto& text : global.config) {
        const auto equals = text.find('=');
        const std::string key = text.substr(0, equals);
        std::vector<std::string> known;
        for (const auto& spec : cli::setting_specs()) {
            known.emplace_back(spec.key);
        }
        if (equals == std::string::npos ||
            std::find(known.begin(), known.end(), key) == known.end()) {
            const auto near = core::nearest(key, known);
            return core::fail(
                core::Fault::invalid, "--config " + core::printable(text) + " is not a setting",
                {.hint = near ? "did you mean " + *near + "=VALUE?" : "sust config show"});
        }
        context.overrides[key] = text.substr(equals + 1);
    }
    const auto executable = std::filesystem::read_symlink("/proc/self/exe");
    context.places =
        TRY(core::find_places(context.environment, executable, ::getuid(), context.root));
    return {};
}

int run(const std::vector<std::string>& words) {
    cli::Context context;
    context.environment = apps::process_environment();
    const auto parsed = cli::parse_command_line(words, k_version);
    if (!parsed) {
        context.json = std::find(words.begin(), words.end(), "--json") != words.end();
        cli::print_error(context, parsed.error());
        return core::exit_code(parsed.error().fault);
    }
    if (parsed->verb == nullptr) {
        std::cout << parsed->text;
        return 0;
    }
    const auto filled = fill(context, parsed->global);
    const auto status = filled ? parsed->verb->run(context, parsed->arguments)
                               : core::Result<int>(tl::unexpected<core::Error>(filled.error()));
    if (!status) {
        cli::print_error(context, status.error());
        return core::exit_code(status.error().fault);
    }
    return *status;
}

}  // namespace

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);
    try {
        return run(std::vector<std::string>(argv + 1, argv + argc));
    } catch (const std::exception& error) {
        std::cerr << "sust: internal error: " << error.what() << '\n';
        return core::exit_code(core::Fault::internal);
    }
}
