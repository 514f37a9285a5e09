#include "apps/gateway/options.h"

#include <iostream>

#include <CLI/CLI.hpp>

#include "core/text.h"

namespace sust::gateway {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr std::string_view k_about =
    "Takes requests of OpenAI's interface, checks their keys, and relays them to the replicas of\n"
    "the fleet map, which it follows from sustd and keeps for when sustd is away.";

constexpr std::string_view k_examples =
    "Examples:\n"
    "  sust-gateway                               as `sust up` starts it\n"
    "  sust-gateway --root /tmp/demo --listen 127.0.0.1:0\n"
    "The port in use is in gateway.json of the run directory.";

Result<void> read_listen(const std::string& text, Options& options) {
    const auto colon = text.rfind(':');
    const auto port = core::parse_integer(colon == std::string::npos ? "" : text.substr(colon + 1));
    if (!port || *port < 0 || *port > 65535) {
        return fail(Fault::invalid, "'" + core::printable(text) + "' is no address and port",
                    {.where = "--listen", .hint = "as in 127.0.0.1:8080; port 0 takes a free one"});
    }
    options.address = text.substr(0, colon);
    if (options.address.starts_with('[') && options.address.ends_with(']')) {
        options.address = options.address.substr(1, options.address.size() - 2);
    }
    options.port = static_cast<std::uint16_t>(*port);
    return {};
}

const std::map<std::string, core::Level> k_levels = {{"debug", core::Level::debug},
                                                     {"info", core::Level::info},
                                                     {"warn", core::Level::warn},
                                                     {"error", core::Level::error}};

}  // namespace

Result<std::optional<Options>> parse_options(int argc, char** argv) {
    Options options;
    std::string listen = "127.0.0.1:8080";
    CLI::App app{std::string(k_about), "sust-gateway"};
    app.footer(std::string(k_examples));
    app.set_version_flag("--version", "sust-gateway " SUST_VERSION);
    app.add_option("--root", options.root, "keep everything under this directory");
    app.add_option("--listen", listen, "loopback address and port")->capture_default_str();
    app.add_option("--threads", options.threads, "0: one per core")->check(CLI::Range(0, 1024));
    app.add_option("--log-file", options.log_file, "instead of standard error; rotated");
    app.add_option("--log-size", options.log_size, "bytes at which the log is rotated");
    app.add_option("--log-files", options.log_files, "rotated logs that are kept");
    app.add_option("--log-level", options.log_level, "debug, info, warn or error")
        ->transform(CLI::CheckedTransformer(k_levels));
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked) {
        app.exit(asked);
        return std::optional<Options>();
    } catch (const CLI::ParseError& error) {
        return fail(Fault::invalid, error.what(), {.hint = "sust-gateway --help"});
    }
    TRY(read_listen(listen, options));
    return std::optional<Options>(std::move(options));
}

}  // namespace sust::gateway
