#include <algorithm>

#include <nlohmann/json.hpp>

#include "control/artifacts.h"
#include "control/routes.h"
#include "core/text.h"
#include "store/lineage.h"

namespace sust::control {

using nlohmann::json;
using store::Kind;

namespace {

const std::vector<Kind> k_kinds{Kind::model, Kind::adapter};

struct NewModel {
    std::string name;
    std::vector<store::File> files;
    store::ModelFacts facts;
    std::optional<store::Digest> base;  // set: an adapter
    Replace replace = Replace::no;
};

Result<NewModel> model_in(JsonBody body, const store::Store& store) {
    NewModel said;
    said.name = TRY(body.required_text("name"));
    TRY(core::check_model_name(said.name));
    said.files = TRY(files_in(body, store));
    said.facts = TRY(facts_in(body));
    if (const auto base = TRY(body.text("base"))) {
        said.base = TRY(store.require(*base, Kind::model));
    }
    said.replace = TRY(body.boolean("replace")).value_or(false) ? Replace::yes : Replace::no;
    TRY(body.no_other_keys());
    return said;
}

// Reads configurations and headers: on the pool.
Result<store::Named> make_model(store::Store& store, const NewModel& said) {
    const auto kind = said.base ? Kind::adapter : Kind::model;
    const auto made = TRY(put_checked_model(store, kind, said.files, said.facts, said.base));
    TRY(check_free_name(store, said.name, made.digest, kind, said.replace));
    TRY(store.set_name(said.name, made.digest));
    return find_artifact(store, said.name, {kind});
}

// The base by its name if it has one.
json base_json(const store::Store& store, const store::Named& named,
               const std::vector<store::Named>& all) {
    if (named.kind != Kind::adapter || named.damage) {
        return {};
    }
    const auto base = store.base_of(named.digest);
    if (!base || !*base) {
        return {};
    }
    const auto found =
        std::ranges::find_if(all, [&](const auto& other) { return other.digest == **base; });
    return found == all.end() ? json((*base)->str()) : json(found->name);
}

Result<Answer> create_model(Desk& desk, Ask& ask) {
    auto body = TRY(JsonBody::parse(ask.exchange->request().body));
    const auto said = TRY(model_in(std::move(body), desk.parts.store));
    const auto made = std::make_shared<std::optional<Result<store::Named>>>();
    TRY(desk.parts.loop.offload(
        [&store = desk.parts.store, said, made] { *made = make_model(store, said); },
        [exchange = ask.exchange, made] {
            const auto& result = **made;
            finish(exchange, result ? Result<Response>(json_answer(201, artifact_json(*result)))
                                    : tl::unexpected<Error>(result.error()));
        }));
    return Answer();
}

Result<Answer> list_models(Desk& desk, Ask& ask) {
    const auto all = TRY(desk.parts.store.list());
    auto items = json::array();
    for (const auto& named : all) {
        if (std::ranges::find(k_kinds, named.kind) != k_kinds.end()) {
            items.push_back(artifact_json(named));
            items.back()["base"] = base_json(desk.parts.store, named, all);
        }
    }
    return Answer(TRY(page(ask, items, "name")));
}

Result<Answer> show_model(Desk& desk, Ask& ask) {
    const auto& store = desk.parts.store;
    const auto named = TRY(find_artifact(store, ask.name("name"), k_kinds));
    auto item = TRY(artifact_details(store, named));
    item["base"] = base_json(store, named, TRY(store.list()));
    item["statements"] = json::array();
    for (const auto& text : TRY(store.statements(named.digest))) {
        item["statements"].push_back(json::parse(text, nullptr, false));
    }
    return Answer(json_answer(200, item));
}

Result<Answer> remove_model(Desk& desk, Ask& ask) {
    const auto named = TRY(find_artifact(desk.parts.store, ask.name("name"), k_kinds));
    TRY(remove_artifact(desk, named));
    return Answer(json_answer(200, artifact_json(named)));
}

Result<Answer> show_lineage(Desk& desk, Ask& ask) {
    const auto named = TRY(find_artifact(desk.parts.store, ask.name("name"), k_kinds));
    return Answer(json_answer(200, TRY(store::lineage_tree(desk.parts.store, named.digest))));
}

}  // namespace

std::vector<Route> model_routes() {
    return {
        {"POST",
         "/api/v1/models",
         "Keep uploaded files as a model or adapter",
         create_model,
         {},
         Effect::creates},
        {"GET", "/api/v1/models", "List models and adapters", list_models, {"after", "limit"}},
        {"GET", "/api/v1/models/{name}", "Show a model", show_model},
        {"DELETE",
         "/api/v1/models/{name}",
         "Remove a model's name",
         remove_model,
         {},
         Effect::changes},
        {"GET", "/api/v1/models/{name}/lineage", "Show what a model was made from", show_lineage}};
}

}  // namespace sust::control
