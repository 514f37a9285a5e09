// sustd: the one place that decides. Reads the environment once, then only wires.

#include <filesystem>
#include <iostream>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/process_environment.h"
#include "apps/sustd/daemon.h"
#include "apps/sustd/options.h"

namespace {

using namespace sust;

core::Result<void> run(const std::vector<std::string>& words, const core::Clock& clock) {
    const auto options = TRY(daemon::read_options(words));
    if (options.show != daemon::Options::Show::nothing) {
        std::cout << (options.show == daemon::Options::Show::help ? daemon::help_text()
                                                                  : "sustd " SUST_VERSION "\n");
        return {};
    }
    std::error_code error;
    const auto executable = std::filesystem::read_symlink("/proc/self/exe", error);
    daemon::Setup setup{.places = {},
                        .root = options.root,
                        .environment = apps::process_environment(),
                        .uid = ::geteuid(),
                        .version = SUST_VERSION};
    setup.places = TRY(core::find_places(setup.environment, executable, setup.uid, options.root));
    const auto form = ::isatty(STDERR_FILENO) != 0 ? core::LogForm::text : core::LogForm::json;
    const auto log = options.log_file.empty()
                         ? core::Log(clock, "sustd", STDERR_FILENO, form, options.log_level)
                         : core::Log::to_file(clock, "sustd", options.log_file, options.log_bytes,
                                              options.log_files, options.log_level);
    auto result = daemon::serve(setup, clock, log);
    if (!result && !options.log_file.empty()) {
        log.error("sustd ends", result.error());  // main says it on standard error
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    ::umask(077);
    ::signal(SIGPIPE, SIG_IGN);
    const core::SystemClock clock;
    const auto result = run({argv + 1, argv + argc}, clock);
    if (!result) {
        std::cerr << "sustd: " << core::to_string(result.error()) << '\n';
        return core::exit_code(result.error().fault);
    }
    return 0;
}
