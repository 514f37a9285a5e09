#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/sust/print.h"
#include "cluster/simulated/host.h"
#include "cluster/simulated/report.h"
#include "cluster/simulated/site_file.h"
#include "core/text.h"

namespace sust::cli {
namespace {

namespace simulated = cluster::simulated;

constexpr std::size_t k_site_bytes_max = 256 << 10;
constexpr std::size_t k_slice = 50'000;

void print_report(const Context& context, const simulated::Engine& engine) {
    print_object(context, simulated::report_json(engine),
                 {{"name", "site"},
                  {"time_seconds", "seconds"},
                  {"nodes", "nodes"},
                  {"nodes_down", "down"},
                  {"jobs.submitted", "submitted"},
                  {"jobs.started", "started"},
                  {"jobs.waiting", "waiting"},
                  {"jobs.running", "running"},
                  {"ended", "ended"},
                  {"wait_seconds.mean", "mean wait, s"},
                  {"wait_seconds.most", "most wait, s"},
                  {"used", "cores used", Column::Form::percent},
                  {"events", "events"},
                  {"digest", "digest"}});
}

// As fast as it goes, without a socket: what would become of the site.
Result<int> look_ahead(Context& context, const std::string& text, const std::string& origin,
                       core::Duration until) {
    auto model = TRY(simulated::read_model(text, origin));
    simulated::Engine engine(std::make_shared<const simulated::Model>(std::move(model)));
    Progress progress(context);
    while (!engine.advance(until, k_slice)) {
        progress.show(simulated::report_line(engine), "simulating");
    }
    progress.finish();
    print_report(context, engine);
    return 0;
}

Result<int> host(Context& context, simulated::HostOptions options) {
    const core::Log log(context.clock, "simulate", STDERR_FILENO,
                        ::isatty(STDERR_FILENO) != 0 ? core::LogForm::text : core::LogForm::json,
                        core::Level::warn);
    Progress progress(context);
    const auto engine = TRY(simulated::host_site(
        options, context.clock, log,
        [&](const simulated::Engine& now) {
            if (context.json) {
                print_json({{"ready", true},
                            {"socket", options.socket.string()},
                            {"journal", options.journal.string()},
                            {"time_seconds", simulated::report_json(now)["time_seconds"]}},
                           JsonForm::line);
            } else {
                std::cout << fmt::format(
                                 "{} nodes at {}; Ctrl-C ends the site, its commands go on\n",
                                 now.model().nodes.size(), options.socket.string())
                          << std::flush;
            }
        },
        [&](const simulated::Engine& now) {
            progress.show(simulated::report_line(now), "simulating");
        }));
    progress.finish();
    if (context.json) {
        print_json(simulated::report_json(engine), JsonForm::line);
    } else {
        print_report(context, engine);
    }
    return 0;
}

Result<int> simulate(Context& context, const Arguments& arguments) {
    const auto& file = arguments.one("SITE");
    const auto text = TRY(core::read_file(file, k_site_bytes_max));
    const auto socket = arguments.get("--socket");
    const auto until = arguments.get("--until");
    if (socket.has_value() == until.has_value()) {
        return core::fail(Fault::invalid, "says --socket (serve the site) or --until (look ahead)",
                          {.hint = "sust simulate --help"});
    }
    if (until) {
        return look_ahead(context, text, file,
                          TRY(core::within("--until", core::parse_duration(*until))));
    }
    const auto path = std::filesystem::absolute(*socket);
    const auto journal = arguments.get("--journal");
    return host(context, {.text = text,
                          .origin = file,
                          .socket = path,
                          .journal = journal ? std::filesystem::absolute(*journal)
                                             : core::Path(path.string() + ".journal"),
                          .fresh = arguments.has("--fresh")});
}

}  // namespace

std::vector<Verb> simulate_verbs() {
    return {{.path = "simulate",
             .summary = "a simulated site: a scheduler, its nodes and their faults",
             .positionals = {{"SITE", "what the site is (docs/formats/site.md)", Count::one,
                              Completes::files}},
             .options = {{"--socket", "PATH", "serve it there, for sustd (type = \"simulated\")"},
                         {"--journal", "FILE",
                          "what brings the site back after a restart; beside the socket"},
                         {"--fresh", "", "begin anew: what the journal knows is forgotten"},
                         {"--until", "TIME",
                          "no socket: simulate so long, as fast as it goes, and report"}},
             .examples = {"sust simulate SITE.toml --socket /tmp/site.sock",
                          "sust simulate SITE.toml --until 7d --json"},
             .run = simulate}};
}

}  // namespace sust::cli
