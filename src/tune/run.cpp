#include "tune/run.h"

#include <nlohmann/json.hpp>

namespace sust::tune {

using nlohmann::json;

namespace {

json time_or_null(core::WallTime time) {
    return time == core::WallTime{} ? json(nullptr) : json(core::rfc3339(time));
}

json name_or_null(const std::optional<Input>& input) {
    return input ? json(input->name) : json(nullptr);
}

json inputs_json(const std::vector<Input>& inputs) {
    auto list = json::array();
    for (const auto& input : inputs) {
        list.push_back({{"name", input.name}, {"digest", input.digest.str()}});
    }
    return list;
}

json digest_or_null(const std::optional<store::Digest>& digest) {
    return digest ? json(digest->str()) : json(nullptr);
}

json digest_of(const std::optional<Input>& input) {
    return input ? json(input->digest.str()) : json(nullptr);
}

json error_or_null(const std::optional<core::Error>& error) {
    return error ? json{{"fault", core::to_string(error->fault)},
                        {"message", error->message},
                        {"where", error->where},
                        {"hint", error->hint}}
                 : json(nullptr);
}

json stages_json(const Run& run) {
    auto list = json::array();
    for (const auto& [stage, record] : run.stages) {
        list.push_back({{"name", to_string(stage)},
                        {"state", to_string(record.state)},
                        {"attempts", record.job_epoch},
                        {"started", time_or_null(record.started)},
                        {"finished", time_or_null(record.finished)}});
    }
    return list;
}

// What people call the state: the phases at work are one word.
std::string_view state_word(Phase phase) {
    if (is_final(phase) || phase == Phase::stopping || phase == Phase::removing) {
        return to_string(phase);
    }
    return "running";
}

}  // namespace

std::string_view to_string(RunKind kind) {
    return kind == RunKind::tune ? "tune" : "evaluation";
}

std::string_view to_string(StageState state) {
    switch (state) {
        case StageState::waiting:
            return "waiting";
        case StageState::running:
            return "running";
        case StageState::done:
            return "done";
        case StageState::failed:
            return "failed";
        case StageState::cancelled:
            return "cancelled";
        case StageState::skipped:
            return "skipped";
    }
    return "waiting";
}

void to_json(json& out, const Run& run) {
    out = {
        {"id", run.id},
        {"kind", to_string(run.kind)},
        {"name", run.name},
        {"state", state_word(run.phase)},
        {"final", is_final(run.phase)},
        {"stage", to_string(run.stage)},
        {"epoch", run.epoch},
        {"created", time_or_null(run.created)},
        {"finished", time_or_null(run.finished)},
        {"recipe", run.recipe},
        {"recipe_digest", digest_or_null(run.recipe_digest)},
        {"base", name_or_null(run.base)},
        {"base_digest", digest_of(run.base)},
        {"model", name_or_null(run.model)},
        {"model_digest", digest_of(run.model)},
        {"data", name_or_null(run.data)},
        {"data_digest", digest_of(run.data)},
        {"evaluations", inputs_json(run.evaluations)},
        {"environments", inputs_json(run.environments)},
        {"parameters", parameters_json(run.parameters)},
        {"placement", run.placement},
        {"stages", stages_json(run)},
        {"result", digest_or_null(run.result)},
        {"reason", run.error ? json(run.error->message) : json(nullptr)},
        {"advice", run.error && !run.error->hint.empty() ? json(run.error->hint) : json(nullptr)},
        {"error", error_or_null(run.error)}};
    out["evaluation"] = run.evaluation ? json(*run.evaluation) : json(nullptr);
    out["progress"] = run.progress ? json(*run.progress) : json(nullptr);
}

}  // namespace sust::tune
