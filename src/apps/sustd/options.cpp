#include "apps/sustd/options.h"

#include <array>
#include <filesystem>

#include "core/text.h"

namespace sust::daemon {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr std::array<std::string_view, 4> k_levels{"debug", "info", "warn", "error"};

Result<core::Level> level_of(const std::string& text) {
    for (std::size_t i = 0; i < k_levels.size(); ++i) {
        if (text == k_levels[i]) {
            return static_cast<core::Level>(i);
        }
    }
    return fail(Fault::invalid, "no log level '" + core::printable(text) + "'",
                {.hint = "debug, info, warn, error"});
}

Result<void> set(Options& options, const std::string& name, const std::string& value) {
    if (name == "--root") {
        options.root = std::filesystem::absolute(value).lexically_normal();
    } else if (name == "--log-file") {
        options.log_file = value;
    } else if (name == "--log-size") {
        options.log_bytes = TRY(core::parse_size(value));
    } else if (name == "--log-files") {
        options.log_files = static_cast<int>(TRY(core::parse_integer(value)));
    } else if (name == "--log-level") {
        options.log_level = TRY(level_of(value));
    } else {
        return fail(Fault::invalid, "unknown option '" + core::printable(name) + "'",
                    {.hint = "sustd --help shows them"});
    }
    return {};
}

}  // namespace

Result<Options> read_options(const std::vector<std::string>& words) {
    Options options;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto equals = words[i].find('=');
        const auto name = words[i].substr(0, equals);
        if (name == "--help" || name == "-h") {
            options.show = Options::Show::help;
            return options;
        }
        if (name == "--version") {
            options.show = Options::Show::version;
            return options;
        }
        if (equals != std::string::npos) {
            TRY(set(options, name, words[i].substr(equals + 1)));
        } else if (i + 1 < words.size()) {
            TRY(set(options, name, words[i + 1]));
            ++i;
        } else {
            return fail(Fault::invalid, "'" + core::printable(name) + "' wants a value",
                        {.hint = "sustd --help shows the options"});
        }
    }
    return options;
}

std::string_view help_text() {
    return "sustd: the control program. Started by `sust up`; answers on run/api.sock.\n"
           "\n"
           "  --root DIR         put all places under one directory\n"
           "  --log-file FILE    write the log there and rotate it (default: standard error)\n"
           "  --log-size SIZE    rotate at this size (16MiB)\n"
           "  --log-files N      rotated files to keep (5)\n"
           "  --log-level LEVEL  debug, info, warn or error (info)\n"
           "  --version, --help\n";
}

}  // namespace sust::daemon
