#include "cluster/slurm/site.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include "cluster/relay.h"
#include "cluster/slurm/rest_version.h"
#include "core/text.h"

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;

namespace {

std::string own_name() {
    const auto* entry = ::getpwuid(::geteuid());
    return entry == nullptr ? std::to_string(::geteuid()) : entry->pw_name;
}

// "http://127.0.0.1:PORT" or "unix:/PATH": a token does not leave the machine as plain text.
bool is_address(const std::string& text) {
    constexpr std::string_view k_http = "http://";
    if (text.starts_with("unix:/")) {
        return true;
    }
    const auto colon = text.rfind(':');
    const auto port = core::parse_integer(std::string_view(text).substr(colon + 1));
    if (!text.starts_with(k_http) || colon == std::string::npos || colon <= k_http.size() ||
        !port || *port < 1 || *port > 65535) {
        return false;
    }
    in_addr address{};
    const auto host = text.substr(k_http.size(), colon - k_http.size());
    constexpr std::uint32_t k_loopback = 127;
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 &&
           ntohl(address.s_addr) >> 24 == k_loopback;
}

Result<RestOptions> read_rest(const core::TomlTable& table, const std::string& user) {
    RestOptions rest{.address = TRY(table.text("rest")).value_or("")};
    if (rest.address.empty()) {
        for (const auto* key : {"token_file", "token_directory", "user", "rest_version"}) {
            if (table.has(key)) {
                return fail(Fault::invalid, fmt::format("'{}' is of slurmrestd", key),
                            {.where = table.where(key), .hint = "say where it listens: `rest`"});
            }
        }
        return rest;
    }
    if (!is_address(rest.address)) {
        return fail(Fault::invalid, "'rest' is no address of this machine",
                    {.where = table.where("rest"),
                     .hint = "\"http://127.0.0.1:6820\" or \"unix:/run/slurmrestd.sock\""});
    }
    rest.token_file = TRY(absolute_path(table, "token_file", {}));
    if (table.has("token_directory")) {
        rest.token_directory = TRY(absolute_path(table, "token_directory", {}));
    }
    rest.user = TRY(table.text("user")).value_or(user);
    rest.version = TRY(table.text("rest_version")).value_or("");
    if (!rest.version.empty() && rest_version_named(rest.version) == nullptr) {
        return fail(Fault::invalid,
                    fmt::format("'{}' is no version that is spoken here",
                                core::printable(rest.version, 40)),
                    {.where = table.where("rest_version"),
                     .hint = fmt::format("these are: {}; without it the newest is found",
                                         rest_version_names())});
    }
    return rest;
}

}  // namespace

Result<SlurmOptions> read_options(const std::string& name, const core::TomlTable& table,
                                  const SiteDefaults& defaults) {
    SlurmOptions options{.name = name, .base = defaults.base};
    options.book.jobs = TRY(absolute_path(table, "jobs", {}));
    options.book.max_live_jobs = k_live_jobs_max;
    options.agent = TRY(absolute_path(table, "agent", defaults.agent));
    options.principals = TRY(table.texts("principals"));
    if (table.has("become")) {
        options.become = TRY(table.texts("become"));
    }
    options.srun = TRY(table.text("srun")).value_or(options.srun);
    options.commands = TRY(table.text_map("env"));
    options.network = TRY(table.text("network")).value_or("");
    if (!options.network.empty()) {
        TRY(core::within(table.where("network"), check_network(options.network)));
    }
    options.user = own_name();
    options.rest = TRY(read_rest(table, options.user));
    if (options.commands.count("SLURM_JWT") > 0) {
        return fail(Fault::invalid, "a token in 'env' would be seen by every job",
                    {.where = table.where("env"), .hint = "say `rest` and `token_file`"});
    }
    options.partition = TRY(table.text("partition")).value_or("");
    options.account = TRY(table.text("account")).value_or("");
    using namespace std::chrono_literals;
    options.period = TRY(at_least(table, "period", 1s, options.period));
    options.patience = TRY(at_least(table, "patience", 1s, options.patience));
    const auto submissions = TRY(table.integer("submissions")).value_or(options.submissions);
    if (submissions < 1 || submissions > k_submissions_max) {
        return fail(Fault::invalid, fmt::format("'submissions' is 1 to {}", k_submissions_max),
                    {.where = table.where("submissions")});
    }
    options.submissions = static_cast<int>(submissions);
    options.carrier_grace = TRY(at_least(table, "carrier_grace", 0s, options.carrier_grace));
    options.hopeless_grace = TRY(at_least(table, "hopeless_grace", 0s, options.hopeless_grace));
    options.silence = TRY(at_least(table, "silence", 10s, options.silence));
    return options;
}

Result<Site> read_site(const std::string& name, const core::TomlTable& table,
                       const SiteDefaults& defaults) {
    const auto options = TRY(read_options(name, table, defaults));
    return Site{.name = name, .open = [options](const core::Clock& clock, core::Log log) {
                    return open_slurm(options, clock, std::move(log));
                }};
}

}  // namespace sust::cluster::slurm
