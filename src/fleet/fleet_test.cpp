#include "fleet/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/test_support.h"

namespace sust::fleet {
namespace {

using namespace std::chrono_literals;
using serve::ReplicaState;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Replicas : public FleetTest {};
class Rolls : public FleetTest {};
class Services : public FleetTest {};

// --- One replica -----------------------------------------------------------------------------

TEST_F(Replicas, AsManyAsSaidAreStartedAndReadyOnceTheyAnswer) {
    prober.answer = [](ProbeKind, const Path&) { return false; };
    const auto first = fleet->apply(said());
    ASSERT_TRUE(first) << core::to_string(first.error());
    EXPECT_EQ(first->state, "starting");
    EXPECT_EQ(first->replicas.size(), 2U);
    pass(2s);
    EXPECT_EQ(count(ReplicaState::ready), 0);
    prober.answer = [](ProbeKind, const Path&) { return true; };
    pass(1s);
    EXPECT_EQ(view().state, "ready");
    EXPECT_EQ(view().ready, 2);
}

TEST_F(Replicas, RunTheEngineInItsEnvironmentOnASocketOfTheirOwn) {
    ASSERT_TRUE(fleet->apply(said()));
    std::set<std::string> sockets;
    for (const auto& [token, job] : scheduler.jobs) {
        EXPECT_EQ(job.spec.argv.at(3), "llama-cpp");
        EXPECT_THAT(job.spec.argv, Contains("llama-server"));
        EXPECT_EQ(job.spec.stop_grace, 1s);
        const Path folder = home.path() / "run" / "replicas" / token;
        EXPECT_THAT(job.spec.argv, Contains(folder.native() + ":/sust/run"));
        EXPECT_EQ(std::filesystem::status(folder).permissions(), std::filesystem::perms::owner_all);
    }
    for (const auto& replica : map().replicas) {
        sockets.insert(replica.socket.native());
    }
    EXPECT_EQ(sockets.size(), 2U);
}

TEST_F(Replicas, ThatWereKilledComeBackAfterAWaitThatDoubles) {
    ASSERT_TRUE(fleet->apply(said()));
    pass(1s);
    const auto victim = view().replicas.front().id;
    std::vector<Duration> waits;
    for (int i = 0; i < 4; ++i) {
        scheduler.finish(victim);
        const auto before = scheduler.starts;
        Duration waited{};
        while (scheduler.starts == before) {
            pass(k_step);
            waited += k_step;
        }
        waits.push_back(waited);
        pass(1s);
        EXPECT_EQ(view().ready, 2);
    }
    for (std::size_t i = 1; i < waits.size(); ++i) {
        EXPECT_GT(waits[i], waits[i - 1] * 3 / 2);
    }
    EXPECT_EQ(view().replicas.front().restarts, 4);
}

TEST_F(Replicas, ThatWereStableForAWhileComeBackAsFastAsTheFirstTime) {
    ASSERT_TRUE(fleet->apply(said()));
    pass(1s);
    const auto victim = view().replicas.front().id;
    for (int i = 0; i < 5; ++i) {
        scheduler.finish(victim);
        pass(61s + 2s);
        EXPECT_EQ(view().ready, 2);
        pass(60s);
        const auto before = scheduler.starts;
        scheduler.finish(victim);
        pass(1s + 3 * k_step);
        EXPECT_EQ(scheduler.starts, before + 1);
        pass(61s);
    }
}

TEST_F(Replicas, ThatStopAnsweringGetNoRequestsAndAreStartedAgain) {
    ASSERT_TRUE(fleet->apply(said()));
    pass(1s);
    const auto sick = map().replicas.front();
    prober.answer = [&](ProbeKind, const Path& socket) { return socket != sick.socket; };
    ASSERT_TRUE(pass_until([&] { return count(ReplicaState::unhealthy) == 1; }, 30s));
    EXPECT_EQ(count(ReplicaState::ready), 1);
    EXPECT_THAT(view().replicas.front().reason, HasSubstr("no answer"));
    prober.answer = [&](ProbeKind, const Path&) { return true; };
    pass(5s);
    EXPECT_EQ(count(ReplicaState::ready), 2) << "a short silence needs no restart";
    EXPECT_EQ(scheduler.starts, 2);

    prober.answer = [&](ProbeKind, const Path& socket) { return socket != sick.socket; };
    ASSERT_TRUE(pass_until([&] { return scheduler.starts == 3; }, 90s));
}

TEST_F(Replicas, OneFailedProbeIsNoReasonToStopRouting) {
    ASSERT_TRUE(fleet->apply(said()));
    pass(1s);
    int asked = 0;
    prober.answer = [&](ProbeKind, const Path&) { return ++asked % 3 != 0; };
    pass(60s, [&] { EXPECT_EQ(count(ReplicaState::ready), 2); });
}

TEST_F(Replicas, ThatAreNeverReadyAreStoppedInTimeAndSayWhatTheEngineSaid) {
    prober.answer = [](ProbeKind, const Path&) { return false; };
    ASSERT_TRUE(fleet->apply(said()));
    ASSERT_TRUE(pass_until([&] { return scheduler.starts > 2; }, 300s));
    EXPECT_EQ(view().state, "failing");
    EXPECT_THAT(view().trouble, HasSubstr("error: no such model"));
}

TEST_F(Replicas, ThatCannotBeSubmittedAreTriedAgainWithTheReason) {
    scheduler.refuse_submit =
        core::Error{.fault = core::Fault::exhausted, .message = "the disk is full"};
    ASSERT_TRUE(fleet->apply(said()));
    pass(1s);
    EXPECT_THAT(view().trouble, HasSubstr("the disk is full"));
    scheduler.refuse_submit.reset();
    EXPECT_TRUE(pass_until_state("ready"));
}

TEST_F(Replicas, OfALostDatabaseAreEnded) {
    ASSERT_TRUE(fleet->apply(said()));
    pass(1s);
    database = core::Database::open_in_memory().value();
    open();
    EXPECT_EQ(scheduler.running(), 0);
}

// --- Rolls -----------------------------------------------------------------------------------

TEST_F(Rolls, OfAChangedServiceKeepAllWantedReplicasReadyAndStartOneMore) {
    ASSERT_TRUE(fleet->apply(said()));
    ASSERT_TRUE(pass_until_state("ready"));
    put_adapter("triage", "one");
    const auto rolling = fleet->apply(said({"triage"}));
    ASSERT_TRUE(rolling) << core::to_string(rolling.error());
    EXPECT_EQ(rolling->state, "rolling");
    pass(10s, [&] {
        EXPECT_GE(count(ReplicaState::ready), 2);
        EXPECT_LE(scheduler.running(), 3);
    });
    ASSERT_TRUE(pass_until_state("ready"));
    for (const auto& replica : map().replicas) {
        EXPECT_EQ(replica.models.size(), 2U);
    }
    EXPECT_EQ(scheduler.jobs.size(), 2U) << "replaced replicas leave no job behind";
}

TEST_F(Rolls, HappenWhenANameMovedAndOnlyThen) {
    put_adapter("triage", "one");
    ASSERT_TRUE(fleet->apply(said({"triage"})));
    ASSERT_TRUE(pass_until_state("ready"));
    const auto version = fleet->version();
    ASSERT_TRUE(fleet->apply(said({"triage"})));
    pass(5s);
    EXPECT_EQ(fleet->version(), version) << "nothing changed";
    const auto moved = put_adapter("triage", "two");
    ASSERT_TRUE(fleet->apply(said({"triage"})));
    ASSERT_TRUE(pass_until_state("ready"));
    EXPECT_EQ(view().generation, 2);
    EXPECT_EQ(view().models.back().digest, moved.str());
}

TEST_F(Rolls, HoldTheOldArtifactsUntilTheLastOldReplicaIsGone) {
    const auto old = put_adapter("triage", "one");
    ASSERT_TRUE(fleet->apply(said({"triage"})));
    ASSERT_TRUE(pass_until_state("ready"));
    const auto fresh = put_adapter("triage", "two");
    ASSERT_TRUE(fleet->apply(said({"triage"})));
    while (view().replicas.front().generation == 1) {
        EXPECT_THAT(held(), Contains(old));
        EXPECT_THAT(held(), Contains(fresh));
        pass(k_step);
    }
    ASSERT_TRUE(pass_until_state("ready"));
    pass(1s);
    EXPECT_THAT(held(), Not(Contains(old)));
}

TEST_F(Rolls, ToSomethingThatNeverStartsStopAndTheOldOnesGoOn) {
    ASSERT_TRUE(fleet->apply(said()));
    ASSERT_TRUE(pass_until_state("ready"));
    put_adapter("broken", "x");
    prober.answer = [](ProbeKind kind, const Path&) { return kind != ProbeKind::ready; };
    ASSERT_TRUE(fleet->apply(said({"broken"})));
    ASSERT_TRUE(pass_until(
        [&] {
            scheduler.finish_where([](const auto& job) {
                return testing::Value(job.spec.argv, Contains("--lora-scaled"));
            });
            EXPECT_EQ(count(ReplicaState::ready), 2);
            return view().state == "ready";
        },
        120s));
    EXPECT_EQ(view().generation, 1);
    EXPECT_THAT(view().trouble, HasSubstr("generation 2 did not start, generation 1 goes on"));
    EXPECT_THAT(view().trouble, HasSubstr("no such model"));
    // Applied again, it is tried again.
    prober.answer = [](ProbeKind, const Path&) { return true; };
    ASSERT_TRUE(fleet->apply(said({"broken"})));
    ASSERT_TRUE(pass_until_state("ready"));
    EXPECT_EQ(view().generation, 3);
    EXPECT_THAT(view().trouble, IsEmpty());
}

TEST_F(Rolls, OfARollGoToTheNewestGeneration) {
    ASSERT_TRUE(fleet->apply(said()));
    ASSERT_TRUE(pass_until_state("ready"));
    for (const auto* bytes : {"one", "two", "three"}) {
        put_adapter("triage", bytes);
        ASSERT_TRUE(fleet->apply(said({"triage"})));
        pass(2 * k_step, [&] { EXPECT_GE(count(ReplicaState::ready), 2); });
    }
    ASSERT_TRUE(pass_until_state("ready"));
    EXPECT_EQ(view().generation, 4);
    for (const auto& replica : view().replicas) {
        EXPECT_EQ(replica.generation, 4);
    }
}

TEST_F(Rolls, WaitUntilEveryGatewayKnowsAndEverySlotIsIdle) {
    ASSERT_TRUE(fleet->apply(said()));
    ASSERT_TRUE(pass_until_state("ready"));
    bool idle = false;
    prober.answer = [&](ProbeKind kind, const Path&) { return kind != ProbeKind::idle || idle; };
    const auto before = fleet->version();
    fleet->acknowledged("gw-1", before);
    ASSERT_TRUE(fleet->scale("demo", 1));
    const auto hear = [&] { fleet->acknowledged("gw-1", before); };
    pass(30s, [&] {
        hear();
        EXPECT_EQ(count(ReplicaState::draining), 1) << "the gateway still has the old map";
    });
    fleet->acknowledged("gw-1", fleet->version());
    pass(10s);
    EXPECT_EQ(count(ReplicaState::draining), 1) << "a slot is busy";
    idle = true;
    pass(1s);
    EXPECT_EQ(count(ReplicaState::draining), 0);
    pass(1s);
    EXPECT_EQ(scheduler.running(), 1);
}

TEST_F(Rolls, DoNotWaitForAGatewayThatWasNotHeardOfForTenSeconds) {
    ASSERT_TRUE(fleet->apply(said()));
    ASSERT_TRUE(pass_until_state("ready"));
    fleet->acknowledged("gw-1", fleet->version());
    pass(60s);
    ASSERT_TRUE(fleet->scale("demo", 1));
    pass(9s);
    EXPECT_EQ(scheduler.running(), 2) << "it may just be about to ask";
    pass(3s);
    EXPECT_EQ(scheduler.running(), 1);
}

TEST_F(Rolls, EndADrainAfterItsTime) {
    auto service = said();
    service.drain_timeout = 20s;
    ASSERT_TRUE(fleet->apply(service));
    ASSERT_TRUE(pass_until_state("ready"));
    prober.answer = [&](ProbeKind kind, const Path&) { return kind != ProbeKind::idle; };
    ASSERT_TRUE(fleet->scale("demo", 1));
    pass(19s);
    EXPECT_EQ(scheduler.running(), 2);
    pass(3s);
    EXPECT_EQ(scheduler.running(), 1);
}

TEST_F(Rolls, FallBackAlsoToAGenerationThatBecameReadySinceTheLastTick) {
    prober.later = true;
    ASSERT_TRUE(fleet->apply(said()));
    pass(1s);
    prober.answer_all();
    ASSERT_EQ(count(ReplicaState::ready), 2);
    put_adapter("broken", "x");
    prober.later = false;
    prober.answer = [](ProbeKind kind, const Path&) { return kind != ProbeKind::ready; };
    ASSERT_TRUE(fleet->apply(said({"broken"})));
    ASSERT_TRUE(pass_until(
        [&] {
            scheduler.finish_where([](const auto& job) {
                return testing::Value(job.spec.argv, Contains("--lora-scaled"));
            });
            return view().state == "ready";
        },
        120s));
    EXPECT_EQ(view().generation, 1);
    EXPECT_THAT(view().trouble, HasSubstr("generation 1 goes on"));
}

// Every step is written before it is done, so the end is the same wherever the controller dies.
TEST_F(Rolls, EndTheSameHoweverOftenTheControllerDies) {
    ASSERT_TRUE(fleet->apply(said()));
    const auto die = [&] {
        const auto version = fleet->version();
        open();
        EXPECT_GT(fleet->version(), version);
    };
    pass(2s, die);
    EXPECT_EQ(view().state, "ready");
    EXPECT_EQ(scheduler.starts, 2);
    put_adapter("triage", "one");
    ASSERT_TRUE(fleet->apply(said({"triage"})));
    // Drains wait until a new controller could have heard of every gateway.
    for (int i = 0; i < 40 && view().state != "ready"; ++i) {
        pass(2s, die);
        EXPECT_GE(count(ReplicaState::ready), 2);
        EXPECT_LE(scheduler.running(), 3);
        pass(11s);
    }
    EXPECT_EQ(view().state, "ready");
    EXPECT_EQ(scheduler.starts, 4) << "no replica was started twice or too many";
    EXPECT_EQ(scheduler.jobs.size(), 2U);
}

TEST_F(Rolls, OfStoppedControllersSeeWhatHappenedMeanwhile) {
    ASSERT_TRUE(fleet->apply(said()));
    ASSERT_TRUE(pass_until_state("ready"));
    scheduler.finish(view().replicas.front().id);
    scheduler.jobs.erase(view().replicas.back().id);
    open();
    EXPECT_TRUE(pass_until_state("ready"));
    EXPECT_EQ(scheduler.running(), 2);
}

// --- Services --------------------------------------------------------------------------------

TEST_F(Services, ScaleUpDownAndToNothing) {
    ASSERT_TRUE(fleet->apply(said()));
    for (const int wanted : {5, 1, 0, 2}) {
        ASSERT_TRUE(fleet->scale("demo", wanted));
        ASSERT_TRUE(pass_until([&] {
            return scheduler.running() == wanted && (view().state == "ready" || wanted == 0);
        })) << wanted;
        EXPECT_EQ(view().generation, 1) << "a number is no new generation";
    }
    EXPECT_EQ(fleet->scale("demo", 33).error().fault, core::Fault::invalid);
    EXPECT_EQ(fleet->scale("dem", 1).error().hint, "did you mean 'demo'?");
}

TEST_F(Services, AreDrainedWhenRemovedAndThenHoldNothing) {
    ASSERT_TRUE(fleet->apply(said()));
    ASSERT_TRUE(pass_until_state("ready"));
    EXPECT_FALSE(held().empty());
    const auto removed = fleet->remove("demo");
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->state, "removing");
    EXPECT_EQ(count(ReplicaState::draining), 2);
    EXPECT_EQ(fleet->apply(said()).error().fault, core::Fault::conflict);
    pass(5s);
    EXPECT_THAT(fleet->list(), IsEmpty());
    EXPECT_THAT(held(), IsEmpty());
    EXPECT_EQ(scheduler.jobs.size(), 0U);
    EXPECT_TRUE(fleet->apply(said())) << "the name is free again";
}

TEST_F(Services, TellGatewaysOfEveryChangeOnce) {
    std::vector<std::uint64_t> told;
    fleet->on_change([&](std::uint64_t version) { told.push_back(version); });
    ASSERT_TRUE(fleet->apply(said()));
    EXPECT_EQ(told.size(), 1U);
    pass(1s);
    ASSERT_TRUE(fleet->keys_changed());
    pass(5s);
    EXPECT_THAT(told, testing::WhenSorted(testing::ElementsAreArray(told)));
    EXPECT_EQ(told.back(), fleet->version());
    EXPECT_EQ(map().version, fleet->version());
    EXPECT_THAT(map().engines.at("llama-cpp").private_fields, Contains("lora"));
}

TEST_F(Services, AreShownAsReadyOnceTheGatewaysKnow) {
    fleet->acknowledged("gw-1", fleet->version());
    ASSERT_TRUE(fleet->apply(said()));
    pass(2s);
    EXPECT_EQ(count(ReplicaState::ready), 2);
    EXPECT_EQ(view().state, "starting");
    EXPECT_EQ(view().ready, 0);
    fleet->acknowledged("gw-1", fleet->version());
    EXPECT_EQ(view().state, "ready");
    EXPECT_EQ(view().ready, 2);
}

TEST_F(Services, TellGatewaysOfAReplicaThatAnswersBetweenTwoTicks) {
    prober.later = true;
    ASSERT_TRUE(fleet->apply(said()));
    pass(k_step);
    std::uint64_t told = 0;
    fleet->on_change([&](std::uint64_t version) { told = version; });
    prober.answer_all();
    EXPECT_EQ(count(ReplicaState::ready), 2);
    EXPECT_EQ(told, fleet->version());
}

TEST_F(Services, ShowTheLogsOfTheNewestReplicaOrOfTheOneAsked) {
    ASSERT_TRUE(fleet->apply(said()));
    const auto id = view().replicas.front().id;
    EXPECT_TRUE(fleet->logs("demo", id, cluster::Stream::err, 0, 100));
    EXPECT_TRUE(fleet->logs("demo", {}, cluster::Stream::err, 0, 100));
    EXPECT_EQ(fleet->logs("demo", "rep-x", cluster::Stream::err, 0, 100).error().fault,
              core::Fault::not_found);
}

TEST_F(Services, OfMissingOrWrongModelsAreRefusedWithTheNextStep) {
    put_base("other");
    put_adapter("foreign", "x", "other");
    put(store::Kind::model, "raw", {put_file("model.safetensors", "raw")});
    put(store::Kind::model, "bad", {put_file("base.gguf", "not one")});
    put(store::Kind::adapter, "unconverted", {put_file("adapter_model.safetensors", "u")},
        store.resolve("tiny").value());
    struct Case {
        const char* base;
        std::vector<std::string> adapters;
        const char* says;
    };
    for (const auto& [base, adapters, says] : std::vector<Case>{
             {"tyni", {}, "tiny"},
             {"raw", {}, "sust tune start to-gguf --base raw"},
             {"bad", {}, "not a GGUF file"},
             {"tiny", {"foreign"}, "not on 'tiny'"},
             {"tiny", {"tiny"}, "named twice"},
             {"tiny", {"absent"}, "absent"},
             {"tiny", {"unconverted"}, "no .gguf file"},
         }) {
        const auto refused = fleet->apply({.name = "demo", .base = base, .adapters = adapters});
        ASSERT_FALSE(refused) << base;
        EXPECT_THAT(core::to_string(refused.error()), HasSubstr(says));
        EXPECT_THAT(fleet->list(), IsEmpty());
    }
}

TEST_F(Services, NameAMissingBaseBeforeAMissingImage) {
    image_of = [](const std::string&) -> Result<std::optional<store::Digest>> {
        return core::fail(core::Fault::not_found, "no image");
    };
    open();
    EXPECT_EQ(fleet->apply(said()).error().message, "no image");
    const auto refused = fleet->apply({.name = "demo", .base = "absent"});
    EXPECT_THAT(refused.error().message, HasSubstr("absent"));
}

TEST_F(Services, OfATruncatedModelFileAreRefusedBeforeAnEngineStumbles) {
    const auto file = put_file("base.gguf", "GGUF truncated later");
    put(store::Kind::model, "short", {file});
    std::filesystem::permissions(store.blob_path(file.digest), std::filesystem::perms::owner_all);
    std::filesystem::resize_file(store.blob_path(file.digest), 5);
    const auto refused = fleet->apply({.name = "demo", .base = "short"});
    EXPECT_THAT(core::to_string(refused.error()), HasSubstr("is damaged: 5 bytes of 20"));
}

TEST_F(Services, OfAGgufMadeFromAnotherBaseAreRefused) {
    const auto gguf = store.resolve("tiny/gguf").value().value();
    const auto old = store.resolve("tiny").value().value();
    const auto statement = store::provenance_statement(
        gguf, {.subject_name = "tiny/gguf",
               .dependencies = {{.name = "base", .uri = "sust:model/tiny", .digest = old}}});
    ASSERT_TRUE(store.attach_statement(gguf, statement));
    EXPECT_TRUE(fleet->apply(said()));
    put(store::Kind::model, "tiny", {put_file("model.safetensors", "newer")});
    EXPECT_THAT(core::to_string(fleet->apply(said()).error()),
                HasSubstr("made from another 'tiny'"));
}

}  // namespace
}  // namespace sust::fleet
