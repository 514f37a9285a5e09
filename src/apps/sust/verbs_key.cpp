#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/print.h"
#include "core/text.h"

namespace sust::cli {
namespace {

Result<int> key_create(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("--name");
    TRY(core::check_name("key name", name));
    auto scopes = nlohmann::json::array({"inference"});
    if (arguments.has("--metrics")) {
        scopes.push_back("metrics");
    }
    // Before the key exists, so that a place that cannot be written costs no key.
    const core::Path folder = context.places.config / "keys";
    TRY(core::make_directories(folder, 0700));
    Api api(context);
    auto made =
        TRY(api.post("/api/v1/keys",
                     {{"name", name}, {"models", arguments.all("--model")}, {"scopes", scopes}}));
    const core::Path file = folder / (name + ".key");
    TRY(core::write_file(file, made.value("key", std::string()) + "\n", 0600));
    made["key_file"] = file.string();
    print_done(context, made,
               fmt::format("{}\nkept in {} (0600); it is not shown again", made.value("key", ""),
                           file.string()));
    return 0;
}

Result<int> key_ls(Context& context, const Arguments&) {
    Api api(context);
    print_list(context, TRY(api.list("/api/v1/keys")),
               {{"id", "ID"},
                {"name", "NAME"},
                {"models", "MODELS"},
                {"scopes", "SCOPES"},
                {"usage.requests", "REQUESTS"},
                {"usage.prompt_tokens", "PROMPT TOKENS"},
                {"usage.completion_tokens", "COMPLETION TOKENS"},
                {"revoked", "REVOKED"}},
               "no keys; make one with: sust key create --name NAME");
    return 0;
}

Result<int> key_revoke(Context& context, const Arguments& arguments) {
    const auto& key = arguments.one("KEY");
    Api api(context);
    print_done(context, TRY(api.remove(api_path("keys", key))),
               fmt::format("key {} is revoked; connected gateways refuse it within a second", key));
    return 0;
}

}  // namespace

std::vector<Verb> key_verbs() {
    return {
        {.path = "key create",
         .summary = "make an API key; it is shown once and kept in a 0600 file",
         .options = {{"--name", "NAME", "for people", Count::one},
                     {"--model", "MODEL", "only this model; without it every model", Count::any,
                      Completes::models},
                     {"--metrics", "", "may read /metrics of the gateway too"}},
         .examples = {"sust key create --name alice", "sust key create --name ci --model triage"},
         .run = key_create},
        {.path = "key ls",
         .summary = "all keys and what was used with them",
         .examples = {"sust key ls"},
         .run = key_ls},
        {.path = "key revoke",
         .summary = "refuse a key from now on",
         .positionals = {{"KEY", "its identifier or name", Count::one, Completes::keys}},
         .examples = {"sust key revoke alice"},
         .run = key_revoke}};
}

}  // namespace sust::cli
