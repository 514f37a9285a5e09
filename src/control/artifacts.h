#pragma once

// What dataset and model handlers share: files of a request, artifacts as JSON.

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "control/desk.h"
#include "control/json_body.h"
#include "tune/data.h"

namespace sust::control {

// The one file of a dataset.
inline constexpr const char* k_data_path = "train.jsonl";

// "files": [{"path","digest","bytes"}]; each blob is in the store with that many.
Result<std::vector<store::File>> files_in(JsonBody& body, const store::Store& store);
// "facts": {"title","description","licenses",...}
Result<store::ModelFacts> facts_in(JsonBody& body);

// The artifact of that name, of one of `kinds`; not_found names what there is.
Result<store::Named> find_artifact(const store::Store& store, const std::string& name,
                                   const std::vector<store::Kind>& kinds);
// conflict: the name is of something else, or of other bytes and `replace` is false.
enum class Replace { yes, no };
Result<void> check_free_name(const store::Store& store, const std::string& name,
                             const store::Digest& digest, store::Kind kind, Replace replace);

// What a dataset or a model is made of is looked at before it is one; no name yet. Reads every
// byte: on the pool. invalid says what is wrong, line by line or file by file.
struct CheckedDataset {
    store::Descriptor descriptor;
    tune::DataReport report;
};
Result<CheckedDataset> put_checked_dataset(store::Store& store, const std::string& name,
                                           store::File file, store::ModelFacts facts,
                                           std::optional<tune::DataFormat> format = {});
Result<store::Descriptor> put_checked_model(store::Store& store, store::Kind kind,
                                            std::vector<store::File> files, store::ModelFacts facts,
                                            const std::optional<store::Digest>& base);
Result<void> remember_facts(core::Database& database, const store::Digest& dataset,
                            const tune::DataReport& report);
// {"format","lines","turns","duplicates"}
nlohmann::json facts_json(const tune::DataReport& report);

// conflict while something uses it: names the commands that let it go.
Result<void> remove_artifact(Desk& desk, const store::Named& named);

// {"name","kind","digest","bytes"}
nlohmann::json artifact_json(const store::Named& named);
// ... with "files" and "used_by".
Result<nlohmann::json> artifact_details(const store::Store& store, const store::Named& named);

}  // namespace sust::control
