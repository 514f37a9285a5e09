#pragma once

// What dataset and model handlers share: files of a request, artifacts as JSON.

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "control/desk.h"
#include "control/json_body.h"

namespace sust::control {

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

// conflict while something uses it: names the commands that let it go.
Result<void> remove_artifact(Desk& desk, const store::Named& named);

// {"name","kind","digest","bytes"}
nlohmann::json artifact_json(const store::Named& named);
// ... with "files" and "used_by".
Result<nlohmann::json> artifact_details(const store::Store& store, const store::Named& named);

}  // namespace sust::control
