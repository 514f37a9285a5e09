#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/follow.h"
#include "apps/sust/print.h"
#include "core/text.h"
#include "core/toml.h"
#include "fleet/spec.h"

namespace sust::cli {
namespace {

const std::vector<Column> k_columns{{"name", "NAME"},      {"state", "STATE"},
                                    {"ready", "READY"},    {"wanted", "OF"},
                                    {"spec.base", "BASE"}, {"spec.adapters", "ADAPTERS"},
                                    {"trouble", "WHY"}};

Result<void> wait_ready(const Context& context, Api& api, const std::string& name) {
    constexpr auto k_within = std::chrono::minutes(5);
    const core::Deadline deadline(context.clock, k_within);
    Progress progress(context);
    while (true) {
        const auto service = TRY(api.get(api_path("services", name)));
        const auto state = service.value("state", std::string());
        if ((state == "ready" || state == "idle") &&
            service.value("trouble", std::string()).empty()) {
            return {};
        }
        if (state == "failing" ||
            (state == "ready" && !service.value("trouble", std::string()).empty())) {
            return core::fail(
                Fault::unavailable,
                fmt::format("service {}: {}", name, service.value("trouble", std::string())),
                {.hint = fmt::format("sust serve logs {}", name)});
        }
        if (deadline.passed()) {
            return core::fail(Fault::timeout,
                              fmt::format("service {} was not ready within 5 minutes", name),
                              {.hint = fmt::format("sust serve logs {}", name)});
        }
        progress.show(fmt::format("{}: {} ({} of {} replicas ready)", name, state,
                                  service.value("ready", 0), service.value("wanted", 0)),
                      state);
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
}

Result<int> serve_apply(Context& context, const Arguments& arguments) {
    const core::Path file = arguments.one("FILE");
    constexpr std::size_t k_max_file = 1 << 20;
    const auto text = TRY(core::read_file(file, k_max_file));
    const auto request = TRY(fleet::service_from_toml(text, file.string()));
    Api api(context);
    auto service =
        TRY(api.put(api_path("services", request.name), nlohmann::json::parse(request.document)));
    if (!arguments.has("--no-wait")) {
        TRY(wait_ready(context, api, request.name));
        service = TRY(api.get(api_path("services", request.name)));
    }
    print_done(context, service,
               fmt::format("service {} is {}", request.name, service.value("state", "applied")));
    return 0;
}

Result<int> serve_ls(Context& context, const Arguments&) {
    Api api(context);
    print_list(context, TRY(api.list("/api/v1/services")), k_columns,
               "no services; start one with: sust serve apply service.toml");
    return 0;
}

Result<int> serve_show(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto service = TRY(api.get(api_path("services", arguments.one("NAME"))));
    print_object(context, service, k_columns);
    if (!context.json) {
        std::cout << '\n';
        print_list(context, service.value("replicas", nlohmann::json::array()),
                   {{"id", "REPLICA"},
                    {"generation", "GEN"},
                    {"state", "STATE"},
                    {"restarts", "RESTARTS"},
                    {"since", "SINCE", Column::Form::age},
                    {"reason", "WHY"}},
                   "no replicas");
    }
    return 0;
}

Result<int> serve_logs(Context& context, const Arguments& arguments) {
    Api api(context);
    std::string target = api_path("services", arguments.one("NAME"), "/logs") + "?stream=err";
    if (const auto replica = arguments.get("--replica")) {
        target += "&replica=" + core::percent_encode(*replica);
    }
    TRY(print_log(context, api, target, arguments.has("--follow") ? Follow::yes : Follow::no));
    return 0;
}

Result<int> serve_scale(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("NAME");
    const auto replicas =
        TRY(core::within("replicas", core::parse_integer(arguments.one("REPLICAS"))));
    Api api(context);
    auto service = TRY(api.post(api_path("services", name, "/scale"), {{"replicas", replicas}}));
    print_done(context, service, fmt::format("service {} goes to {} replicas", name, replicas));
    return 0;
}

Result<int> serve_rm(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("NAME");
    TRY(confirm(context, fmt::format("stop and remove service {}?", name)));
    Api api(context);
    print_done(context, TRY(api.remove(api_path("services", name))),
               fmt::format("service {} drains and ends", name));
    return 0;
}

}  // namespace

std::vector<Verb> serve_verbs() {
    const Positional name{"NAME", "the service", Count::one, Completes::services};
    return {
        {.path = "serve apply",
         .summary = "make a service what its file says; a change rolls without a failed request",
         .positionals = {{"FILE", "service.toml", Count::one, Completes::files}},
         .options = {{"--no-wait", "", "do not wait until it is ready"}},
         .examples = {"sust serve apply service.toml"},
         .run = serve_apply},
        {.path = "serve ls",
         .summary = "all services",
         .examples = {"sust serve ls"},
         .run = serve_ls},
        {.path = "serve show",
         .summary = "one service and its replicas",
         .positionals = {name},
         .examples = {"sust serve show demo"},
         .run = serve_show},
        {.path = "serve logs",
         .summary = "what a service's engines print",
         .positionals = {name},
         .options = {{"--replica", "ID", "one replica; without it the newest"},
                     {"--follow", "", "go on with what is added", Count::optional,
                      Completes::nothing, "-f"}},
         .examples = {"sust serve logs demo --follow"},
         .run = serve_logs},
        {.path = "serve scale",
         .summary = "change the number of replicas",
         .positionals = {name, {"REPLICAS", "how many"}},
         .examples = {"sust serve scale demo 3"},
         .run = serve_scale},
        {.path = "serve rm",
         .summary = "drain a service and remove it",
         .positionals = {name},
         .examples = {"sust serve rm demo --yes"},
         .run = serve_rm}};
}

}  // namespace sust::cli
