#include <algorithm>

#include <nlohmann/json.hpp>

#include "control/json_body.h"
#include "control/routes.h"
#include "core/text.h"

namespace sust::control {

using nlohmann::json;

namespace {

// Read before a list of keys is answered; the rest is counted by the next ticks.
constexpr std::size_t k_ledger_bytes_per_list = 16 << 20;

// Without its HMAC: nobody but gateways needs it.
json key_json(const tenancy::Key& key) {
    return {{"id", key.id},
            {"name", key.name},
            {"models", key.models},
            {"scopes", key.scopes},
            {"state", key.revoked ? "revoked" : "active"},
            {"created", core::rfc3339(key.created)},
            {"revoked", key.revoked ? json(core::rfc3339(*key.revoked)) : json()}};
}

struct SaidKey {
    std::string name;
    std::vector<std::string> models;
    std::vector<std::string> scopes;
};

Result<SaidKey> key_in(JsonBody body) {
    SaidKey said;
    said.name = TRY(body.required_text("name"));
    said.models = TRY(body.texts("models"));
    said.scopes = TRY(body.texts("scopes"));
    TRY(body.no_other_keys());
    TRY(core::check_name("key name", said.name));
    for (const auto& model : said.models) {
        TRY(core::check_model_name(model));
    }
    if (said.scopes.empty()) {
        said.scopes.emplace_back(tenancy::k_scope_inference);
    }
    for (const auto& scope : said.scopes) {
        if (scope != tenancy::k_scope_inference && scope != tenancy::k_scope_metrics) {
            return fail(Fault::invalid, "no scope '" + core::printable(scope) + "'",
                        {.where = "body.scopes", .hint = "inference, metrics"});
        }
    }
    return said;
}

// The secret must not be kept, so a repeated creation cannot be answered a second time: it finds
// its name in use.
Result<Answer> create_key(Desk& desk, Ask& ask) {
    auto& parts = desk.parts;
    const auto said = TRY(key_in(TRY(JsonBody::parse(ask.exchange->request().body))));
    if (const auto live = TRY(parts.keys.by_name(said.name))) {
        return fail(Fault::conflict, "there is a key '" + said.name + "' (" + live->id + ")",
                    {.hint = "choose another name, or revoke it: sust key revoke " + said.name});
    }
    const auto fresh =
        tenancy::make_key(parts.clock, parts.key_secret, said.name, said.models, said.scopes);
    auto transaction = TRY(parts.database.begin());
    TRY(parts.keys.insert(fresh.key));
    TRY(parts.fleet.keys_changed());
    TRY(transaction.commit());
    parts.log.info("key made", {{"key", fresh.key.id}, {"name", said.name}});
    auto body = key_json(fresh.key);
    body["key"] = fresh.text.reveal();
    auto response = json_answer(201, body);
    response.headers.set("Cache-Control", "no-store");
    return Answer(std::move(response));
}

Result<Answer> list_keys(Desk& desk, Ask& ask) {
    const bool more = TRY(desk.usage.refresh(k_ledger_bytes_per_list));
    const auto usage = TRY(desk.usage.by_key());
    auto keys = TRY(desk.parts.keys.list());
    std::ranges::sort(keys, {}, &tenancy::Key::id);
    auto items = json::array();
    for (const auto& key : keys) {
        auto item = key_json(key);
        const auto found = usage.find(key.id);
        item["usage"] = found == usage.end() ? KeyUsage{} : found->second;
        item["usage"]["complete"] = !more;
        items.push_back(std::move(item));
    }
    return Answer(TRY(page(ask, items, "id")));
}

Result<Answer> revoke_key(Desk& desk, Ask& ask) {
    auto& parts = desk.parts;
    const auto& wanted = ask.name("key");
    auto key = TRY(parts.keys.by_id(wanted));
    if (!key) {
        key = TRY(parts.keys.by_name(wanted));
    }
    if (!key) {
        return fail(Fault::not_found, "no key '" + core::printable(wanted) + "'",
                    {.hint = "sust key ls shows what exists"});
    }
    if (!key->revoked) {
        auto transaction = TRY(parts.database.begin());
        key->revoked = parts.clock.wall();
        TRY(parts.keys.revoke(key->id, *key->revoked));
        TRY(parts.fleet.keys_changed());
        TRY(transaction.commit());
        parts.log.info("key revoked", {{"key", key->id}, {"name", key->name}});
    }
    return Answer(json_answer(200, key_json(*key)));
}

}  // namespace

std::vector<Route> key_routes() {
    return {{"POST",
             "/api/v1/keys",
             "Make an API key; its secret is answered once",
             create_key,
             {},
             Effect::changes},
            {"GET",
             "/api/v1/keys",
             "List keys and what was used with them",
             list_keys,
             {"after", "limit"}},
            {"DELETE",
             "/api/v1/keys/{key}",
             "Revoke a key by identifier or name",
             revoke_key,
             {},
             Effect::changes}};
}

}  // namespace sust::control
