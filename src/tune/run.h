#pragma once

// A run: a recipe applied to inputs, or an evaluation of a registered model.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/request.h"
#include "core/clock.h"
#include "core/result.h"
#include "store/digest.h"
#include "tune/evaluation.h"
#include "tune/parameters.h"
#include "tune/progress.h"
#include "tune/recipe.h"
#include "tune/stage_table.h"

namespace sust::tune {

enum class RunKind { tune, evaluation };
std::string_view to_string(RunKind kind);

// An artifact as it was when the run began.
struct Input {
    std::string name;
    store::Digest digest;
};

enum class StageState { waiting, running, done, failed, cancelled, skipped };
std::string_view to_string(StageState state);

struct StageRecord {
    StageState state = StageState::waiting;
    std::int64_t job_epoch = 1;  // the attempt of the stage's job that counts; older ones do not
    core::WallTime started{};
    core::WallTime finished{};
};

struct Run {
    std::string id;
    RunKind kind = RunKind::tune;
    std::string recipe;
    std::optional<store::Digest> recipe_digest{};
    std::optional<Input> base{};   // the base model; of an evaluation: the model's base, or itself
    std::optional<Input> model{};  // of an evaluation: the model judged
    std::optional<Input> data{};
    std::vector<Input> evaluations{};
    std::vector<Input> environments{};  // their images, where they are artifacts
    Parameters parameters{};
    cluster::Placement placement{};  // of its jobs
    std::string name{};              // of the result
    Phase phase = Phase::prepare;
    Stage stage = Stage::prepare;  // the one it is in, or ended in
    std::int64_t epoch = 1;        // grows with every resume; fences older attempts
    std::map<Stage, StageRecord> stages{};
    core::WallTime created{};
    core::WallTime finished{};
    std::optional<core::Error> error{};     // why it is failed, lost or refused
    std::optional<store::Digest> result{};  // the artifact, also of a refused candidate
    std::optional<Evaluation> evaluation{};
    std::optional<Progress> progress{};  // newest; not kept in the database

    // "run-...-train": what the scheduler knows the stage's job by.
    std::string token(Stage of) const { return id + "-" + std::string(to_string(of)); }
};

void to_json(nlohmann::json& json, const Run& run);

}  // namespace sust::tune
