#include <nlohmann/json.hpp>

#include "control/artifacts.h"
#include "control/routes.h"
#include "core/text.h"

namespace sust::control {

using nlohmann::json;
using store::Kind;

namespace {

struct NewDataset {
    std::string name;
    std::optional<tune::DataFormat> format;
    store::File file;
    store::ModelFacts facts;
    Replace replace = Replace::no;
};

Result<NewDataset> dataset_in(JsonBody body, const store::Store& store) {
    const auto name = TRY(body.required_text("name"));
    TRY(core::check_name("dataset name", name));
    std::optional<tune::DataFormat> format;
    if (const auto said = TRY(body.text("format"))) {
        format = TRY(tune::parse_data_format(*said));
    }
    const auto files = TRY(files_in(body, store));
    if (files.size() != 1 || files[0].path != k_data_path) {
        return fail(Fault::invalid, "a dataset is one file, train.jsonl", {.where = "body.files"});
    }
    auto facts = TRY(facts_in(body));
    const auto replace = TRY(body.boolean("replace")).value_or(false) ? Replace::yes : Replace::no;
    TRY(body.no_other_keys());
    return NewDataset{name, format, files[0], std::move(facts), replace};
}

// The facts of a dataset whose check is remembered; null otherwise.
json known_facts(Desk& desk, const store::Digest& digest) {
    const auto rows =
        desk.parts.database.query("SELECT facts FROM datasets WHERE digest = ?", {digest.str()});
    if (!rows || rows->empty()) {
        return {};
    }
    auto facts = json::parse(rows->front().text(0), nullptr, false);
    return facts.is_object() ? facts : json();
}

json with_facts(json item, const json& facts) {
    for (const char* key : {"format", "lines", "turns", "duplicates"}) {
        item[key] = facts.is_object() && facts.contains(key) ? facts[key] : json();
    }
    return item;
}

struct Made {
    store::Named named;
    tune::DataReport report;
};

// Reads every byte: on the pool.
Result<Made> make_dataset(store::Store& store, const NewDataset& said) {
    auto made = TRY(put_checked_dataset(store, said.name, said.file, said.facts, said.format));
    const auto& digest = made.descriptor.digest;
    TRY(check_free_name(store, said.name, digest, Kind::dataset, said.replace));
    TRY(store.set_name(said.name, digest));
    auto named = TRY(find_artifact(store, said.name, {Kind::dataset}));
    return Made{std::move(named), std::move(made.report)};
}

Result<Response> remember(Desk& desk, const Result<Made>& made) {
    if (!made) {
        return tl::unexpected<Error>(made.error());
    }
    TRY(remember_facts(desk.parts.database, made->named.digest, made->report));
    return json_answer(201, with_facts(artifact_json(made->named), facts_json(made->report)));
}

Result<Answer> create_dataset(Desk& desk, Ask& ask) {
    auto body = TRY(JsonBody::parse(ask.exchange->request().body));
    const auto said = TRY(dataset_in(std::move(body), desk.parts.store));
    const auto made = std::make_shared<std::optional<Result<Made>>>();
    TRY(desk.parts.loop.offload(
        [&store = desk.parts.store, said, made] { *made = make_dataset(store, said); },
        [&desk, exchange = ask.exchange, made] { finish(exchange, remember(desk, **made)); }));
    return Answer();
}

Result<Answer> list_datasets(Desk& desk, Ask& ask) {
    auto items = json::array();
    for (const auto& named : TRY(desk.parts.store.list(Kind::dataset))) {
        items.push_back(with_facts(artifact_json(named), known_facts(desk, named.digest)));
    }
    return Answer(TRY(page(ask, items, "name")));
}

Result<Answer> show_dataset(Desk& desk, Ask& ask) {
    const auto named = TRY(find_artifact(desk.parts.store, ask.name("name"), {Kind::dataset}));
    const auto item = TRY(artifact_details(desk.parts.store, named));
    return Answer(json_answer(200, with_facts(item, known_facts(desk, named.digest))));
}

Result<Answer> remove_dataset(Desk& desk, Ask& ask) {
    const auto named = TRY(find_artifact(desk.parts.store, ask.name("name"), {Kind::dataset}));
    TRY(remove_artifact(desk, named));
    return Answer(json_answer(200, artifact_json(named)));
}

}  // namespace

std::vector<Route> dataset_routes() {
    return {{"POST",
             "/api/v1/datasets",
             "Check uploaded data and keep it as a dataset",
             create_dataset,
             {},
             Effect::creates},
            {"GET", "/api/v1/datasets", "List datasets", list_datasets, {"after", "limit"}},
            {"GET", "/api/v1/datasets/{name}", "Show a dataset", show_dataset},
            {"DELETE",
             "/api/v1/datasets/{name}",
             "Remove a dataset's name",
             remove_dataset,
             {},
             Effect::changes}};
}

}  // namespace sust::control
