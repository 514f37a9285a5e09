#include "serve/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/test_support.h"

namespace sust::serve {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

tenancy::Key key_for(std::vector<std::string> models) {
    const core::ManualClock clock;
    return tenancy::make_key(clock, core::Secret("s"), "k", std::move(models), {"inference"}).key;
}

std::vector<std::string> ids(const std::vector<Candidate>& candidates) {
    std::vector<std::string> out;
    for (const auto& candidate : candidates) {
        out.push_back(candidate.replica->id);
    }
    return out;
}

TEST(View, FindsEveryReplicaOfAModelWhateverItsState) {
    const auto view = view_of({ready("a", 1, {"m", "n"}), ready("b", 1, {"n"}),
                               in_state(ReplicaState::draining, ready("c", 1, {"n"}))});
    EXPECT_THAT(ids(*view->candidates("m")), ElementsAre("a"));
    EXPECT_THAT(ids(*view->candidates("n")), ElementsAre("a", "b", "c"));
    EXPECT_EQ(view->candidates("a"), nullptr);
    EXPECT_EQ(view->candidates(""), nullptr);
    for (const auto& candidate : *view->candidates("n")) {
        EXPECT_EQ(candidate.model->name, "n");
    }
}

TEST(View, KnowsModelsOfAServiceWithoutAReplica) {
    FleetMap map;
    map.replicas = {ready("a")};
    map.models = {{.name = "m", .service = "s"}, {.name = "asleep", .service = "t"}};
    const auto view = View::make(std::move(map), nullptr);
    ASSERT_NE(view->candidates("asleep"), nullptr);
    EXPECT_THAT(*view->candidates("asleep"), IsEmpty());
    EXPECT_EQ(view->offered("asleep")->service, "t");
    EXPECT_THAT(ids(*view->candidates("m")), ElementsAre("a"));
    EXPECT_THAT(view->models_for(key_for({})), ElementsAre("asleep", "m"));
    EXPECT_EQ(view->offered("gone"), nullptr);
    EXPECT_EQ(view->candidates("gone"), nullptr);
}

TEST(View, KnowsOneLoadForAllModelsOfAReplica) {
    const auto view = view_of({ready("a", 1, {"m", "n"})});
    EXPECT_EQ(view->candidates("m")->front().load, view->candidates("n")->front().load);
    EXPECT_EQ(view->candidates("m")->front().load.get(), view->load("a"));
    EXPECT_EQ(view->load("m"), nullptr);
}

TEST(View, KeepsTheLoadsOfReplicasThatStay) {
    auto view = view_of({ready("a", 4), ready("b", 4)});
    const auto load = view->candidates("m")->front().load;
    load->in_flight = 3;
    load->ejected_until = 9;
    view =
        view_of({ready("new"), in_state(ReplicaState::draining, ready("a", 8, {"n"}))}, view.get());
    EXPECT_EQ(view->candidates("n")->front().load, load);
    EXPECT_EQ(view->load("a")->in_flight, 3);
    EXPECT_EQ(view->load("a")->ejected_until, 9);
    EXPECT_EQ(view->load("new")->in_flight, 0);
    EXPECT_EQ(view->load("b"), nullptr);
}

TEST(View, KeepsLoadsThroughManyMapsAndFreesThemWithTheLast) {
    auto view = view_of({ready("a")});
    const std::weak_ptr<ReplicaLoad> load = view->candidates("m")->front().load;
    for (int i = 0; i < 5; ++i) {
        view = view_of({ready("a")}, view.get());
    }
    EXPECT_EQ(view->load("a"), load.lock().get());
    view = view_of({}, view.get());
    EXPECT_TRUE(load.expired());
}

TEST(View, GivesTheFactsOfTheEngineAndNoneOfAnUnknownOne) {
    FleetMap map;
    map.replicas = {ready("a"), ready("b")};
    map.replicas[0].engine = "llama-cpp";
    map.replicas[1].engine = "other";
    map.engines["llama-cpp"] = {.private_fields = {"lora"}};
    const auto view = View::make(map, nullptr);
    const auto& candidates = *view->candidates("m");
    EXPECT_THAT(candidates[0].facts->private_fields, ElementsAre("lora"));
    EXPECT_THAT(candidates[1].facts->private_fields, IsEmpty());
    EXPECT_EQ(candidates[1].facts->prompt_counter, PromptCounter::none);
}

TEST(View, DoesNotKnowRevokedKeys) {
    FleetMap map;
    map.keys = {key_for({}), key_for({})};
    map.keys[1].revoked = map.keys[1].created;
    const auto view = View::make(map, nullptr);
    EXPECT_EQ(view->key(map.keys[0].id), &view->map().keys[0]);
    EXPECT_EQ(view->key(map.keys[1].id), nullptr);
    EXPECT_EQ(view->key(""), nullptr);
}

TEST(View, ListsWhatAKeyMayUseInOrder) {
    const auto view = view_of({ready("a", 1, {"z", "b"}), ready("c", 1, {"b", "a"})});
    EXPECT_THAT(view->models_for(key_for({})), ElementsAre("a", "b", "z"));
    EXPECT_THAT(view->models_for(key_for({"z", "a", "gone"})), ElementsAre("a", "z"));
    EXPECT_THAT(view->models_for(key_for({"gone"})), IsEmpty());
}

}  // namespace
}  // namespace sust::serve
