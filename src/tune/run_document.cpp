#include "tune/run_document.h"

#include <nlohmann/json.hpp>

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Result;
using nlohmann::json;

namespace {

json encode(const std::optional<Input>& input) {
    return input ? json{{"name", input->name}, {"digest", input->digest.str()}} : json(nullptr);
}

json encode(const std::vector<Input>& inputs) {
    auto list = json::array();
    for (const auto& input : inputs) {
        list.push_back(encode(std::optional(input)));
    }
    return list;
}

json encode(const std::optional<store::Digest>& digest) {
    return digest ? json(digest->str()) : json(nullptr);
}

Result<std::optional<store::Digest>> decode_digest(const json& value) {
    if (value.is_null()) {
        return std::optional<store::Digest>();
    }
    return std::optional(TRY(store::Digest::parse(value.get<std::string>())));
}

Result<std::optional<Input>> decode_input(const json& value) {
    if (value.is_null()) {
        return std::optional<Input>();
    }
    const auto digest = TRY(store::Digest::parse(value.at("digest").get<std::string>()));
    return std::optional(Input{.name = value.at("name").get<std::string>(), .digest = digest});
}

Result<std::vector<Input>> decode_list(const json& value) {
    std::vector<Input> inputs;
    for (const auto& one : value) {
        if (auto input = TRY(decode_input(one))) {
            inputs.push_back(std::move(*input));
        }
    }
    return inputs;
}

std::int64_t milliseconds(core::WallTime time) {
    return time.time_since_epoch().count();
}

core::WallTime time_at(const json& value) {
    return core::WallTime{std::chrono::milliseconds(value.get<std::int64_t>())};
}

json encode_stages(const Run& run) {
    auto stages = json::object();
    for (const auto& [stage, record] : run.stages) {
        stages[std::string(to_string(stage))] = {{"state", to_string(record.state)},
                                                 {"job_epoch", record.job_epoch},
                                                 {"started", milliseconds(record.started)},
                                                 {"finished", milliseconds(record.finished)}};
    }
    return stages;
}

StageState decode_state(const std::string& text) {
    for (const auto state : {StageState::running, StageState::done, StageState::failed,
                             StageState::cancelled, StageState::skipped}) {
        if (text == to_string(state)) {
            return state;
        }
    }
    return StageState::waiting;
}

void decode_stages(const json& value, Run& run) {
    for (const auto& [name, held] : value.items()) {
        if (const auto stage = parse_stage(name)) {
            run.stages[*stage] = {.state = decode_state(held.at("state").get<std::string>()),
                                  .job_epoch = held.at("job_epoch").get<std::int64_t>(),
                                  .started = time_at(held.at("started")),
                                  .finished = time_at(held.at("finished"))};
        }
    }
}

core::Error decode_error(const json& value) {
    core::Error error{.message = value.at("message").get<std::string>(),
                      .where = value.at("where").get<std::string>(),
                      .hint = value.at("hint").get<std::string>()};
    error.fault = static_cast<Fault>(value.at("fault").get<int>());
    return error;
}

// Exceptions of the JSON library end here: what was kept is ours, so a misfit is a defect.
template <class F>
Result<void> guarded(std::string_view text, const Run& run, F&& decode) {
    try {
        return decode(json::parse(text));
    } catch (const json::exception& error) {
        return fail(Fault::internal, "the kept run " + run.id + " cannot be read: " + error.what());
    }
}

}  // namespace

std::string encode_inputs(const Run& run) {
    return json{{"recipe_digest", encode(run.recipe_digest)},
                {"base", encode(run.base)},
                {"model", encode(run.model)},
                {"data", encode(run.data)},
                {"evaluations", encode(run.evaluations)},
                {"environments", encode(run.environments)},
                {"parameters", parameters_json(run.parameters)},
                {"placement", run.placement}}
        .dump();
}

Result<void> decode_inputs(std::string_view text, Run& run) {
    return guarded(text, run, [&](const json& value) -> Result<void> {
        run.recipe_digest = TRY(decode_digest(value.at("recipe_digest")));
        run.base = TRY(decode_input(value.at("base")));
        run.model = TRY(decode_input(value.at("model")));
        run.data = TRY(decode_input(value.at("data")));
        run.evaluations = TRY(decode_list(value.at("evaluations")));
        run.environments = TRY(decode_list(value.at("environments")));
        run.parameters = TRY(parameters_from_json(value.at("parameters")));
        if (const auto found = value.find("placement"); found != value.end()) {
            run.placement = {.backend = found->at("backend").get<std::string>(),
                             .partition = found->value("partition", ""),
                             .account = found->value("account", ""),
                             .queue = found->value("queue", "")};
        }
        return {};
    });
}

std::string encode_course(const Run& run) {
    json course{{"stages", encode_stages(run)}, {"result", encode(run.result)}};
    course["evaluation"] = run.evaluation ? json(*run.evaluation) : json(nullptr);
    course["error"] = nullptr;
    if (run.error) {
        course["error"] = {{"fault", static_cast<int>(run.error->fault)},
                           {"message", run.error->message},
                           {"where", run.error->where},
                           {"hint", run.error->hint}};
    }
    return course.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<void> decode_course(std::string_view text, Run& run) {
    return guarded(text, run, [&](const json& value) -> Result<void> {
        decode_stages(value.at("stages"), run);
        run.result = TRY(decode_digest(value.at("result")));
        if (const auto& evaluation = value.at("evaluation"); !evaluation.is_null()) {
            run.evaluation = TRY(evaluation_from_json(evaluation));
        }
        if (const auto& error = value.at("error"); !error.is_null()) {
            run.error = decode_error(error);
        }
        return {};
    });
}

}  // namespace sust::tune
