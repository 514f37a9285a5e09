#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/key_files.h"
#include "apps/sust/print.h"
#include "core/text.h"

namespace sust::cli {
namespace {

// A key may be made before the model that it is for; a misspelt name would be the same.
Result<void> warn_of_absent_models(const Context& context, Api& api,
                                   const std::vector<std::string>& wanted) {
    if (wanted.empty()) {
        return {};
    }
    std::vector<std::string> known;
    for (const auto& model : TRY(api.list("/api/v1/models"))) {
        known.push_back(text_in(model, "name"));
    }
    for (const auto& name : wanted) {
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            print_warning(context, fmt::format("there is no model '{}' yet", core::printable(name)),
                          known.empty() ? "there is none at all: sust model import"
                                        : "there are: " + core::join(known, ", "));
        }
    }
    return {};
}

Result<int> key_create(Context& context, const Arguments& arguments) {
    const auto& name = arguments.one("--name");
    TRY(core::check_name("key name", name));
    auto scopes = nlohmann::json::array({"inference"});
    if (arguments.has("--metrics")) {
        scopes.push_back("metrics");
    }
    TRY(make_key_folder(context));
    Api api(context);
    TRY(warn_of_absent_models(context, api, arguments.all("--model")));
    auto made =
        TRY(api.post("/api/v1/keys",
                     {{"name", name}, {"models", arguments.all("--model")}, {"scopes", scopes}}));
    const core::Path file = key_file(context, name);
    TRY(core::write_file(file, text_in(made, "key") + "\n", 0600));
    made["key_file"] = file.string();
    print_done(context, made,
               fmt::format("{}\nkept in {} (0600); it is not shown again", text_in(made, "key"),
                           file.string()));
    return 0;
}

Result<int> key_ls(Context& context, const Arguments&) {
    Api api(context);
    print_list(context, TRY(api.list("/api/v1/keys")),
               {{"id", "ID"},
                {"name", "NAME"},
                {"state", "STATE"},
                {"models", "MODELS"},
                {"scopes", "SCOPES"},
                {"usage.requests", "REQUESTS"},
                {"usage.prompt_tokens", "TOKENS IN"},
                {"usage.completion_tokens", "TOKENS OUT"}},
               "no keys; make one with: sust key create --name NAME");
    return 0;
}

Result<int> key_revoke(Context& context, const Arguments& arguments) {
    const auto& key = arguments.one("KEY");
    Api api(context);
    auto revoked = TRY(api.remove(api_path("keys", key)));
    const auto name = text_in(revoked, "name");
    const bool removed = TRY(remove_key_file(context, name, text_in(revoked, "id")));
    revoked["file_removed"] = removed;
    print_done(context, revoked,
               fmt::format("key {} is revoked; connected gateways refuse it within a second{}", key,
                           removed ? "; its file is removed" : ""));
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
