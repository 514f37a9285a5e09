#include "tune/runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tune/test_runs.h"
#include "tune/work_folder.h"

namespace sust::tune {
namespace {

using cluster::End;
using cluster::State;
using testing::Contains;
using testing::HasSubstr;

class RunMachine : public testing::Test {
  protected:
    std::string started(const RunRequest& request) {
        const auto run = here.runs().start(request);
        EXPECT_TRUE(run) << core::to_string(run.error());
        return run ? run->id : "";
    }
    std::string started() { return started(here.request()); }
    core::Error refused(const RunRequest& request) {
        const auto run = here.runs().start(request);
        EXPECT_FALSE(run);
        EXPECT_TRUE(here.runs().list()->empty());
        return run ? core::Error{} : run.error();
    }
    // Until the stage's job is at work.
    void drive_to(const std::string& id, Stage stage) {
        for (const auto before : {Stage::train, Stage::convert, Stage::evaluate}) {
            here.runs().tick();
            if (before == stage) {
                return;
            }
            here.cluster.end(here.show(id).token(before), End::completed, 0);
        }
        here.runs().tick();
    }
    WorkFolder work(const std::string& id) { return {here.places, here.show(id)}; }
    nlohmann::json file(const core::Path& path) {
        return nlohmann::json::parse(*core::read_file(path, 1 << 20));
    }

    test::Installation here;
};

TEST_F(RunMachine, AWholeRunEndsWithANameALineageAndAnEvaluation) {
    const auto id = started();
    const auto run = here.drive(id);
    EXPECT_EQ(run.phase, Phase::succeeded);
    ASSERT_TRUE(run.result);
    EXPECT_EQ(here.store.resolve("triage")->value(), *run.result);
    EXPECT_EQ(here.store.manifest(*run.result)->kind(), store::Kind::adapter);
    EXPECT_EQ(here.store.base_of(*run.result)->value(), run.base->digest);
    EXPECT_EQ(here.store.statements(*run.result)->size(), 2u);
    EXPECT_TRUE(here.store.resolve("tiny/gguf")->has_value());
    EXPECT_EQ(here.cluster.jobs.size(), 3u);
    EXPECT_TRUE(here.roots().empty());
    EXPECT_FALSE(core::path_exists(work(id).path / "adapter"));
    for (const auto& [stage, record] : run.stages) {
        EXPECT_EQ(record.state, StageState::done) << to_string(stage);
    }
}

TEST_F(RunMachine, TheSameRunTwiceGivesTheSameArtifact) {
    const auto first = here.drive(started());
    const auto second = here.drive(started());
    EXPECT_EQ(first.result, second.result);
    EXPECT_EQ(here.store.list(store::Kind::model)->size(), 2u);  // tiny and tiny/gguf
}

TEST_F(RunMachine, AKillBetweenAnyTwoCallsIsFollowedByTheSameEnd) {
    // One run without a kill counts the calls.
    here.fuse.arm(1 << 30);
    const auto expected = here.drive(started());
    const int calls = here.fuse.calls();
    ASSERT_GT(calls, 10);
    for (int at = 0; at < calls; ++at) {
        test::Installation other;
        other.fuse.arm(at);
        std::string id;
        try {
            id = other.runs().start(other.request())->id;
        } catch (const test::Killed&) {
            other.close();
            other.open();
            ASSERT_EQ(other.runs().list()->size(), 1u);
            id = other.runs().list()->front().id;
        }
        const auto run = other.drive(id);
        EXPECT_FALSE(other.fuse.armed()) << at;
        EXPECT_EQ(run.phase, Phase::succeeded) << at;
        EXPECT_EQ(run.result, expected.result) << at;
        EXPECT_EQ(other.store.resolve("triage")->value(), *expected.result) << at;
        EXPECT_EQ(other.store.statements(*run.result)->size(), 2u) << at;
        EXPECT_EQ(other.cluster.jobs.size(), 3u) << at;
        for (const auto& [token, job] : other.cluster.jobs) {
            EXPECT_EQ(job.status.epoch, 1) << token << " killed at " << at;
        }
        EXPECT_TRUE(other.roots().empty()) << at;
    }
}

TEST_F(RunMachine, AKillDuringResumeMakesOneFurtherAttempt) {
    for (int at = 0; at < 6; ++at) {
        test::Installation other;
        const auto id = other.runs().start(other.request())->id;
        const auto token = id + "-train";
        other.runs().tick();
        other.cluster.end(token, End::failed, 137);
        other.runs().tick();
        ASSERT_EQ(other.show(id).phase, Phase::failed);
        other.fuse.arm(at);
        try {
            (void)other.runs().resume(id);
        } catch (const test::Killed&) {
            other.close();
            other.open();
            if (other.show(id).phase == Phase::failed) {
                ASSERT_TRUE(other.runs().resume(id));
            }
        }
        other.fuse.disarm();
        const auto run = other.drive(id);
        EXPECT_EQ(run.phase, Phase::succeeded) << at;
        EXPECT_EQ(run.epoch, 2) << at;
        EXPECT_EQ(other.cluster.job(token).status.epoch, 2) << at;
    }
}

TEST_F(RunMachine, AModelThatForgotIsRefusedWithReasonAndAdvice) {
    here.tuned_perplexity = 812;
    auto request = here.request();
    request.settings["replay_windows"] = "0";
    const auto run = here.drive(started(request));
    EXPECT_EQ(run.phase, Phase::refused);
    EXPECT_EQ(run.error->message, "perplexity grew from 25.5 to 812 (31.8x), limit 5 %");
    EXPECT_EQ(run.error->hint, "set replay_windows to 2");
    EXPECT_FALSE(here.store.resolve("triage")->has_value());
    EXPECT_EQ(here.store.statements(*run.result)->size(), 2u);
    ASSERT_EQ(here.roots().size(), 1u);
    EXPECT_EQ(here.roots()[0].holds, std::vector{*run.result});
    EXPECT_FALSE(here.runs().resume(run.id));
}

TEST_F(RunMachine, NothingIsStartedOnBadInput) {
    struct Row {
        std::function<void(RunRequest&)> change;
        core::Fault fault;
        std::string text;
    };
    const Row rows[] = {
        {[](auto& r) { r.recipe = "sft-lorra"; }, core::Fault::not_found, "sft-lora"},
        {[](auto& r) { r.base = ""; }, core::Fault::invalid, "--base"},
        {[](auto& r) { r.base = "absent"; }, core::Fault::not_found, "absent"},
        {[](auto& r) { r.data = "absent"; }, core::Fault::not_found, "absent"},
        {[](auto& r) { r.evaluations = {"absent"}; }, core::Fault::not_found, "absent"},
        {[](auto& r) { r.settings["rank"] = "1000"; }, core::Fault::invalid, "1 to 256"},
        {[](auto& r) { r.settings["rnk"] = "1"; }, core::Fault::invalid, "rank"},
        {[](auto& r) { r.name = "../up"; }, core::Fault::invalid, ""},
        {[](auto& r) { r.name = "tickets"; }, core::Fault::conflict,
         "already the name of a dataset"},
        {[](auto& r) { r.name = "tiny"; }, core::Fault::conflict, "already the name of a model"},
    };
    for (const auto& row : rows) {
        auto request = here.request();
        row.change(request);
        const auto error = refused(request);
        EXPECT_EQ(error.fault, row.fault) << core::to_string(error);
        EXPECT_THAT(core::to_string(error), HasSubstr(row.text));
    }
    EXPECT_TRUE(here.cluster.jobs.empty());
    EXPECT_FALSE(core::path_exists(here.places.runs() / "run-"));
}

TEST_F(RunMachine, TooLittleDiskIsToldBeforeTheStart) {
    here.limits.min_free_bytes = 1ULL << 60;
    here.close();
    here.open();
    const auto error = refused(here.request());
    EXPECT_EQ(error.fault, core::Fault::exhausted);
    EXPECT_THAT(error.message, HasSubstr("free"));
}

TEST_F(RunMachine, TwoRunsOfOneNameAtOnceAreRefused) {
    const auto id = started();
    const auto second = here.runs().start(here.request());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().fault, core::Fault::conflict);
    EXPECT_THAT(second.error().message, HasSubstr(id));
}

TEST_F(RunMachine, CancelStopsTheJobAndResumeGoesOnWithTheNextEpoch) {
    const auto id = started();
    const auto token = id + "-train";
    EXPECT_EQ(file(work(id).lease())["epoch"], 1);
    ASSERT_TRUE(here.runs().cancel(id));
    EXPECT_EQ(here.show(id).phase, Phase::stopping);
    here.runs().tick();
    here.runs().tick();
    EXPECT_EQ(here.cluster.job(token).cancels, 1);
    here.cluster.end(token, End::cancelled, 143);
    here.runs().tick();
    EXPECT_EQ(here.show(id).phase, Phase::cancelled);
    EXPECT_FALSE(here.runs().cancel(id));
    EXPECT_EQ(here.roots().size(), 1u);

    ASSERT_TRUE(here.runs().resume(id));
    EXPECT_EQ(file(work(id).lease())["epoch"], 2);
    EXPECT_EQ(file(work(id).spec(Stage::train))["epoch"], 2);
    EXPECT_EQ(here.cluster.job(token).status.epoch, 2);
    EXPECT_EQ(here.drive(id).phase, Phase::succeeded);
}

TEST_F(RunMachine, CancelInEachStageLeavesNoName) {
    for (const auto stage : {Stage::train, Stage::convert, Stage::evaluate}) {
        const auto id = here.runs().start(here.request())->id;
        drive_to(id, stage);
        ASSERT_TRUE(here.runs().cancel(id));
        here.cluster.end(id + "-" + std::string(to_string(stage)), End::cancelled, 143);
        here.runs().tick();
        EXPECT_EQ(here.show(id).phase, Phase::cancelled);
        EXPECT_EQ(here.show(id).stage, stage);
        EXPECT_FALSE(here.store.resolve("triage")->has_value());
    }
}

TEST_F(RunMachine, AFailedJobTellsItsStatusLastWordsAndTheNextStep) {
    const auto id = started();
    here.cluster.end(id + "-train", End::failed, 137);
    here.runs().tick();
    const auto run = here.show(id);
    EXPECT_EQ(run.phase, Phase::failed);
    EXPECT_THAT(run.error->message, HasSubstr("killed by signal 9"));
    EXPECT_THAT(run.error->message, HasSubstr("last words"));
    EXPECT_THAT(run.error->hint, HasSubstr("sust tune resume " + id));
    EXPECT_EQ(run.stages.at(Stage::train).state, StageState::failed);
}

TEST_F(RunMachine, UnknownIsNotFailedAndLostCanBeResumed) {
    const auto id = started();
    here.cluster.job(id + "-train").status.state = State::unknown;
    here.runs().tick();
    EXPECT_EQ(here.show(id).phase, Phase::train);
    here.cluster.job(id + "-train").status.reason = "its wrapper is gone";
    here.cluster.job(id + "-train").status.state = State::ended;
    here.cluster.job(id + "-train").status.end = End::vanished;
    here.runs().tick();
    EXPECT_EQ(here.show(id).phase, Phase::lost);
    EXPECT_EQ(here.show(id).error->message, "the job is lost: its wrapper is gone")
        << "what it printed last says nothing about that";
    ASSERT_TRUE(here.runs().resume(id));
    EXPECT_EQ(here.drive(id).phase, Phase::succeeded);
}

TEST_F(RunMachine, AResumedStageIsNotTrainedAgain) {
    const auto id = started();
    drive_to(id, Stage::convert);
    here.cluster.end(id + "-convert", End::failed, 1);
    here.runs().tick();
    ASSERT_TRUE(here.runs().resume(id));
    EXPECT_EQ(here.drive(id).phase, Phase::succeeded);
    EXPECT_EQ(here.cluster.job(id + "-train").status.epoch, 1);
    EXPECT_EQ(here.cluster.job(id + "-convert").status.epoch, 2);
}

TEST_F(RunMachine, WithoutEvaluationDataATenthIsHeldOut) {
    auto request = here.request();
    request.evaluations.clear();
    const auto id = started(request);
    drive_to(id, Stage::evaluate);
    EXPECT_TRUE(core::path_exists(work(id).heldout()));
    EXPECT_THAT(here.cluster.job(id + "-train").spec.argv,
                Contains(work(id).train_split().string() + ":/sust/data/train.jsonl:ro"));
    const auto spec = file(work(id).evaluator_spec());
    EXPECT_EQ(spec["datasets"][0]["file"], work(id).heldout().string());
    EXPECT_EQ(here.drive(id).phase, Phase::succeeded);
}

TEST_F(RunMachine, StagesThatARecipeLacksAreSkipped) {
    const auto run = here.drive(started({.recipe = "to-gguf", .base = "tiny"}));
    EXPECT_EQ(run.phase, Phase::succeeded);
    EXPECT_EQ(run.name, "tiny/gguf");
    EXPECT_EQ(here.cluster.jobs.size(), 1u);
    EXPECT_EQ(run.stages.at(Stage::train).state, StageState::skipped);
    EXPECT_EQ(here.store.resolve("tiny/gguf")->value(), *run.result);
}

TEST_F(RunMachine, ADataStageThatFailsSaysWhy) {
    here.add_model(store::Kind::dataset, "few", {{"train.jsonl", "{}\n"}});
    auto request = here.request();
    request.data = "few";
    request.evaluations.clear();
    const auto id = started(request);
    EXPECT_EQ(here.show(id).phase, Phase::failed);
    EXPECT_EQ(here.show(id).stage, Stage::prepare);
    EXPECT_THAT(here.show(id).error->hint, HasSubstr("--eval"));
    EXPECT_TRUE(here.cluster.jobs.empty());
}

TEST_F(RunMachine, ARegisteredModelIsEvaluatedAndTheStatementAttached) {
    const auto tuned = here.drive(started());
    const auto run = here.runs().evaluate({.model = "triage", .data = {"known"}, .limit = 3});
    ASSERT_TRUE(run) << core::to_string(run.error());
    const auto ended = here.drive(run->id);
    EXPECT_EQ(ended.phase, Phase::succeeded);
    EXPECT_EQ(ended.kind, RunKind::evaluation);
    EXPECT_EQ(ended.stages.at(Stage::convert).state, StageState::skipped);
    EXPECT_EQ(here.store.statements(*tuned.result)->size(), 3u);
    EXPECT_EQ(here.store.resolve("triage")->value(), *tuned.result);
}

TEST_F(RunMachine, ABaseWithoutGgufIsConvertedBeforeItIsEvaluated) {
    const auto run = here.runs().evaluate({.model = "tiny", .data = {"known"}});
    ASSERT_TRUE(run) << core::to_string(run.error());
    EXPECT_EQ(run->recipe, "to-gguf");
    EXPECT_EQ(here.drive(run->id).phase, Phase::succeeded);
    EXPECT_TRUE(here.store.resolve("tiny/gguf")->has_value());
    EXPECT_FALSE(here.runs().evaluate({.model = "absent", .data = {"known"}}));
    EXPECT_FALSE(here.runs().evaluate({.model = "tickets", .data = {"known"}}));
    EXPECT_FALSE(here.runs().evaluate({.model = "tiny", .data = {}}));
}

TEST_F(RunMachine, TheBasesGgufIsOfThatBase) {
    here.drive(started());
    const auto old = here.store.resolve("tiny/gguf")->value();
    here.add_model(store::Kind::model, "tiny",
                   {{"config.json", "{}"}, {"model.safetensors", "others"}});
    const Input base{.name = "tiny", .digest = here.store.resolve("tiny")->value()};
    EXPECT_FALSE(find_base_gguf(here.store, base)->has_value());
    here.drive(started());
    EXPECT_TRUE(find_base_gguf(here.store, base)->has_value());
    EXPECT_EQ(here.store.statements(old)->size(), 2u);  // the same bytes, of two bases
}

TEST_F(RunMachine, FollowersHearOfStagesProgressAndTheEnd) {
    const auto id = started();
    ASSERT_TRUE(append_progress(work(id).progress(), {.stage = "train", .step = 1, .steps = 2}));
    here.runs().tick();
    here.runs().tick();
    here.drive(id);
    std::vector<std::string> heard;
    for (const auto& event : here.events) {
        heard.push_back(event.event);
    }
    EXPECT_EQ(heard, (std::vector<std::string>{"state", "stage", "progress", "stage", "stage",
                                               "stage", "stage", "state"}));
}

TEST_F(RunMachine, TheJobSaysWhatTheProtocolPromises) {
    const auto id = started();
    const auto& argv = here.cluster.job(id + "-train").spec.argv;
    EXPECT_EQ(argv[0], "/bin/sust");
    for (const auto& word :
         {"--root", "--environment", "trainer", "SUST_SPEC=/sust/work/train.spec.json",
          "PYTHONPATH=/sust/recipe:/sust/common", "PYTHONDONTWRITEBYTECODE=1"}) {
        EXPECT_THAT(argv, Contains(std::string(word)));
    }
    const auto spec = file(work(id).spec(Stage::train));
    EXPECT_EQ(spec["threads"], 3);
    EXPECT_EQ(spec["base"], "/sust/base");
    EXPECT_EQ(spec["parameters"]["rank"], 16);
}

TEST_F(RunMachine, ARemovedRunLetsGoOfItsInputsAndLeavesWhatItRegistered) {
    const auto id = started();
    drive_to(id, Stage::train);
    EXPECT_EQ(here.runs().remove(id).error().fault, core::Fault::conflict);
    here.cluster.end(id + "-train", End::failed, 1);
    here.runs().tick();
    EXPECT_FALSE(here.store.remove_name("tickets"));
    const auto folder = work(id).path;
    ASSERT_TRUE(core::path_exists(folder));
    ASSERT_TRUE(here.runs().remove(id));
    EXPECT_FALSE(core::path_exists(folder));
    EXPECT_TRUE(here.cluster.jobs.empty());
    EXPECT_EQ(here.runs().show(id).error().fault, core::Fault::not_found);
    EXPECT_EQ(here.runs().remove(id).error().fault, core::Fault::not_found);
    EXPECT_TRUE(here.store.roots()->empty());

    const auto good = here.drive(started());
    ASSERT_TRUE(here.runs().remove(good.id));
    EXPECT_EQ(here.store.resolve("triage")->value(), *good.result);
    EXPECT_TRUE(here.store.remove_name("tickets"));
}

TEST_F(RunMachine, ARefusedRunLetsGoOfItsCandidate) {
    here.tuned_perplexity = 812;
    const auto run = here.drive(started());
    ASSERT_EQ(run.phase, Phase::refused);
    EXPECT_THAT(here.roots()[0].holds, Contains(*run.result));
    ASSERT_TRUE(here.runs().remove(run.id));
    EXPECT_TRUE(here.roots().empty());
}

TEST_F(RunMachine, AKillWhileARunIsRemovedIsFollowedByItsRemoval) {
    bool reached_end = false;
    for (int at = 0; !reached_end; ++at) {
        ASSERT_LT(at, 100);
        test::Installation other;
        const auto id = other.runs().start(other.request())->id;
        other.runs().tick();
        other.cluster.end(id + "-train", End::failed, 1);
        other.runs().tick();
        const auto folder = WorkFolder(other.places, other.show(id)).path;
        other.fuse.arm(at);
        try {
            EXPECT_TRUE(other.runs().remove(id)) << at;
            reached_end = other.fuse.armed();
        } catch (const test::Killed&) {
            other.close();
            other.open();
            other.runs().tick();
            if (other.runs().show(id)) {
                // Nothing was written yet, or it could not be resumed with half of it gone.
                EXPECT_EQ(other.show(id).phase, Phase::failed) << at;
                EXPECT_TRUE(core::path_exists(folder)) << at;
                EXPECT_EQ(other.roots().size(), 1U) << at;
                EXPECT_TRUE(other.runs().remove(id)) << at;
            }
        }
        other.fuse.disarm();
        EXPECT_FALSE(other.runs().show(id)) << at;
        EXPECT_FALSE(core::path_exists(folder)) << at;
        EXPECT_TRUE(other.roots().empty()) << at;
        EXPECT_TRUE(other.cluster.jobs.empty()) << at;
    }
}

TEST_F(RunMachine, WhatTheStateDoesNotAllowSaysTheStateAndTheNextStep) {
    const auto id = started();
    EXPECT_EQ(here.runs().resume(id).error().message,
              "the run " + id + " is at work, in stage train");
    EXPECT_THAT(here.runs().resume(id).error().hint, HasSubstr("sust tune logs " + id));
    EXPECT_EQ(here.runs().remove(id).error().hint, "sust tune cancel " + id);
    ASSERT_TRUE(here.runs().cancel(id));
    EXPECT_THAT(here.runs().resume(id).error().message, HasSubstr("is being cancelled"));
    EXPECT_THAT(here.runs().remove(id).error().hint, HasSubstr("wait"));
    here.cluster.end(id + "-train", End::cancelled, 143);
    here.runs().tick();
    EXPECT_EQ(here.runs().cancel(id).error().message, "the run " + id + " has ended: cancelled");
}

TEST_F(RunMachine, AJobThatWasEndedWithAllOfSustLeavesARunToResume) {
    const auto id = started();
    here.cluster.end(id + "-train", End::cancelled, 143);
    here.runs().tick();
    const auto run = here.show(id);
    EXPECT_EQ(run.phase, Phase::cancelled);
    EXPECT_EQ(run.stages.at(Stage::train).state, StageState::cancelled);
    EXPECT_EQ(run.error->message, "Sust was stopped (sust down) while the run was at work");
    EXPECT_THAT(run.error->hint, HasSubstr("sust tune resume " + id));
    ASSERT_TRUE(here.runs().resume(id));
    EXPECT_EQ(here.drive(id).phase, Phase::succeeded);
}

TEST_F(RunMachine, ListIsPagedFromTheNewest) {
    std::vector<std::string> ids;
    for (const auto* name : {"a", "b", "c"}) {
        auto request = here.request();
        request.name = name;
        ids.push_back(started(request));
        here.clock.advance(std::chrono::milliseconds(5));
    }
    const auto page = here.runs().list({}, 2);
    ASSERT_EQ(page->size(), 2u);
    EXPECT_EQ((*page)[0].id, ids[2]);
    EXPECT_EQ(here.runs().list((*page)[1].id, 2)->front().id, ids[0]);
}

}  // namespace
}  // namespace sust::tune
