#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/print.h"
#include "core/text.h"

namespace sust::cli {
namespace {

constexpr core::Duration k_drain_grace = std::chrono::seconds(300);  // the API's

const std::vector<Column> k_columns{{"name", "NODE"},
                                    {"backend", "BACK END"},
                                    {"state", "STATE"},
                                    {"cores", "CORES"},
                                    {"memory_bytes", "MEMORY", Column::Form::bytes},
                                    {"gpus", "GPUS"},
                                    {"partitions", "PARTITIONS"},
                                    {"hold_reason", "HELD BY US"},
                                    {"reason", "WHY"}};

std::string target_of(const Arguments& arguments) {
    const auto backend = arguments.get("--backend");
    return backend ? "/api/v1/nodes?backend=" + core::percent_encode(*backend) : "/api/v1/nodes";
}

Result<int> node_ls(Context& context, const Arguments& arguments) {
    Api api(context);
    print_list(context, TRY(api.list(target_of(arguments))), k_columns, "no nodes");
    return 0;
}

Result<int> node_show(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("NODE");
    Api api(context);
    for (const auto& node : TRY(api.list(target_of(arguments)))) {
        if (text_in(node, "name") == name) {
            print_object(context, node,
                         {{"name", "node"},
                          {"backend", "back end"},
                          {"state", "state"},
                          {"cores", "cores"},
                          {"memory_bytes", "memory", Column::Form::bytes},
                          {"gpus", "GPUs"},
                          {"gpu_type", "GPU type"},
                          {"partitions", "partitions"},
                          {"hold_reason", "held by us"},
                          {"reason", "why"},
                          {"observed", "seen", Column::Form::age}});
            return 0;
        }
    }
    return core::fail(Fault::not_found, fmt::format("no node '{}'", core::printable(name, 80)),
                      {.hint = context.command("node ls")});
}

nlohmann::json with_backend(const Arguments& arguments, nlohmann::json body) {
    if (const auto backend = arguments.get("--backend")) {
        body["backend"] = *backend;
    }
    return body;
}

// The exit status says whether all have left, for scripts.
Result<int> node_drain(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("NODE");
    nlohmann::json body{{"reason", arguments.one("--reason")}, {"drain", true}};
    core::Duration grace = k_drain_grace;
    if (const auto said = arguments.get("--grace")) {
        grace = TRY(core::parse_duration(*said));
        body["grace_seconds"] = std::chrono::duration_cast<std::chrono::seconds>(grace).count();
    }
    Api api(context);
    const auto told =
        TRY(api.post(api_path("nodes", name, "/hold"), with_backend(arguments, body), grace));
    const bool drained = told.value("drained", false);
    if (!context.json) {
        print_list(context, told.value("parts", nlohmann::json::array()),
                   {{"job", "JOB"}, {"part", "PART"}, {"gone", "GONE"}, {"why", "WHY NOT"}},
                   "nothing of ours was there");
    }
    print_done(context, told,
               drained ? fmt::format("{} takes no further job, and none of ours is there", name)
                       : fmt::format("{} takes no further job; the same command tries again what "
                                     "stays, and sust job cancel ends it",
                                     name));
    return drained ? 0 : core::exit_code(Fault::unavailable);
}

Result<int> node_hold(Context& context, const Arguments& arguments) {
    if (arguments.has("--drain")) {
        return node_drain(context, arguments);
    }
    if (arguments.has("--grace")) {
        return core::fail(Fault::invalid, "--grace is the time of a drain",
                          {.where = "--grace", .hint = "say --drain with it"});
    }
    const auto& name = arguments.one("NODE");
    Api api(context);
    const auto held =
        TRY(api.post(api_path("nodes", name, "/hold"),
                     with_backend(arguments, {{"reason", arguments.one("--reason")}})));
    print_done(context, held,
               fmt::format("{} takes no further job; what runs there goes on", name));
    return 0;
}

Result<int> node_release(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("NODE");
    Api api(context);
    const auto released = TRY(api.post(api_path("nodes", name, "/release"),
                                       with_backend(arguments, nlohmann::json::object())));
    print_done(context, released, fmt::format("{} takes jobs again", name));
    return 0;
}

Result<int> backend_ls(Context& context, const Arguments&) {
    Api api(context);
    print_list(context, TRY(api.list("/api/v1/backends")),
               {{"name", "BACK END"}, {"capabilities", "CAN DO"}}, "no back ends");
    return 0;
}

// The exit status says whether all is well, for scripts.
Result<int> backend_check(Context& context, const Arguments& arguments) {
    Api api(context);
    const auto told = TRY(api.get(api_path("backends", arguments.one("NAME"), "/check")));
    if (context.json) {
        print_json(told);
    } else {
        print_list(context, told.value("checks", nlohmann::json::array()),
                   {{"outcome", "OUTCOME"},
                    {"what", "CHECK"},
                    {"detail", "DETAIL"},
                    {"hint", "NEXT STEP"}},
                   "nothing was checked");
    }
    return told.value("good", false) ? 0 : core::exit_code(Fault::unavailable);
}

}  // namespace

std::vector<Verb> node_verbs() {
    const Positional node{"NODE", "the node", Count::one, Completes::nodes};
    const Option backend{"--backend", "NAME", "only of this back end", Count::optional,
                         Completes::backends};
    return {
        {.path = "node ls",
         .summary = "the nodes of all back ends",
         .options = {backend},
         .examples = {"sust node ls"},
         .run = node_ls},
        {.path = "node show",
         .summary = "one node",
         .positionals = {node},
         .options = {backend},
         .examples = {"sust node show n1"},
         .run = node_show},
        {.path = "node hold",
         .summary = "give a node no further job; what runs there goes on, or leaves it (--drain)",
         .positionals = {node},
         .options = {{"--reason", "TEXT", "why, for whoever sees it", Count::one},
                     {"--drain", "", "end our jobs there too, as preempted"},
                     {"--grace", "DURATION", "how long they may take to be gone (5m)"},
                     backend},
         .examples = {"sust node hold n1 --reason 'fan is loud'",
                      "sust node hold n1 --reason 'fan is loud' --drain --grace 10m"},
         .run = node_hold},
        {.path = "node release",
         .summary = "give jobs to a node again that we held",
         .positionals = {node},
         .options = {backend},
         .examples = {"sust node release n1"},
         .run = node_release},
        {.path = "backend ls",
         .summary = "back ends and what each can do",
         .examples = {"sust backend ls"},
         .run = backend_ls},
        {.path = "backend check",
         .summary = "look at everything a back end needs, a line of each",
         .positionals = {{"NAME", "the back end", Count::one, Completes::backends}},
         .examples = {"sust backend check local"},
         .run = backend_check}};
}

}  // namespace sust::cli
