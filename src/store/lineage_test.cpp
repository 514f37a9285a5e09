#include "store/lineage.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "store/test_support.h"

namespace sust::store {
namespace {

using nlohmann::json;

class LineageTest : public StoreTest {
  protected:
    static void say_made_from(Store& store, const Digest& subject, const std::string& name,
                              std::vector<Dependency> from) {
        const Provenance made{.subject_name = name,
                              .build_type = "https://sust.dev/recipe/v1",
                              .external_parameters_json = R"({"rank":8})",
                              .dependencies = std::move(from),
                              .run = "run-1"};
        ASSERT_TRUE(store.attach_statement(subject, provenance_statement(subject, made)));
    }
};

TEST(Statement, SaysItsSubjectAndDependencies) {
    const auto subject = Digest::of("subject");
    const Provenance made{.subject_name = "triage",
                          .build_type = "https://sust.dev/recipe/v1",
                          .external_parameters_json = R"({"rank":8})",
                          .dependencies = {{"base", "sust:model/tiny", Digest::of("base")}},
                          .run = "run-1",
                          .started = core::WallTime(std::chrono::seconds(0))};
    const auto text = provenance_statement(subject, made);
    const auto parsed = json::parse(text);
    EXPECT_EQ(parsed["_type"], "https://in-toto.io/Statement/v1");
    EXPECT_EQ(parsed["predicateType"], "https://slsa.dev/provenance/v1");
    EXPECT_EQ(parsed["subject"][0]["digest"]["sha256"], subject.hex());
    const auto& definition = parsed["predicate"]["buildDefinition"];
    EXPECT_EQ(definition["externalParameters"]["rank"], 8);
    EXPECT_EQ(definition["resolvedDependencies"][0]["digest"]["sha256"], Digest::of("base").hex());
    EXPECT_EQ(parsed["predicate"]["runDetails"]["metadata"]["startedOn"],
              "1970-01-01T00:00:00.000Z");

    const auto read = read_statement(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->subjects, std::vector{subject});
    ASSERT_EQ(read->dependencies.size(), 1U);
    EXPECT_EQ(read->dependencies[0].name, "base");
    EXPECT_EQ(read->dependencies[0].uri, "sust:model/tiny");
}

TEST(Statement, OfOthersIsReadAsFarAsItGoes) {
    EXPECT_FALSE(read_statement("{}"));
    EXPECT_FALSE(read_statement("not json"));
    const auto odd = read_statement(
        R"({"_type":"https://in-toto.io/Statement/v1","subject":[1,{"digest":{"sha512":"x"}}],)"
        R"("predicate":{"buildDefinition":{"resolvedDependencies":[null,{"digest":7}]}}})");
    ASSERT_TRUE(odd);
    EXPECT_TRUE(odd->subjects.empty());
    EXPECT_TRUE(odd->dependencies.empty());
}

TEST_F(LineageTest, StatementsComeBackOldestFirstAndOnce) {
    auto store = open();
    const auto model = put_model(store, "tiny");
    const auto first = evaluation_text(model, R"({"n":1})");
    const auto second = evaluation_text(model, R"({"n":2})");
    ASSERT_TRUE(store.attach_statement(model, first));
    ASSERT_TRUE(store.attach_statement(model, second));
    ASSERT_TRUE(store.attach_statement(model, first)) << "told again after a crash";
    EXPECT_THAT(*store.statements(model), ::testing::ElementsAre(first, second));
}

TEST_F(LineageTest, AStatementMustBeAboutItsSubject) {
    auto store = open();
    const auto model = put_model(store, "tiny");
    const auto other = Digest::of("other");
    EXPECT_EQ(store.attach_statement(model, evaluation_text(other)).error().fault,
              core::Fault::invalid);
    EXPECT_EQ(store.attach_statement(model, "{}").error().fault, core::Fault::invalid);
    EXPECT_EQ(store.attach_statement(other, evaluation_text(other)).error().fault,
              core::Fault::not_found);
}

TEST_F(LineageTest, TreeGoesBackToTheBeginning) {
    auto store = open();
    const auto base = put_model(store, "tiny");
    say_made_from(store, base, "tiny", {{"data", "sust:data/wordnet", Digest::of("elsewhere")}});
    const auto adapter = put_adapter(store, "triage", base);
    say_made_from(store, adapter, "triage", {{"base", "sust:model/tiny", base}});
    ASSERT_TRUE(store.attach_statement(adapter, evaluation_text(adapter, R"({"accuracy":0.98})")));

    const auto tree = lineage_tree(store, adapter);
    ASSERT_TRUE(tree);
    EXPECT_EQ((*tree)["kind"], "adapter");
    EXPECT_EQ((*tree)["names"], json::array({"triage"}));
    EXPECT_EQ((*tree)["evaluations"][0]["result"]["accuracy"], 0.98);
    const auto& made = (*tree)["provenance"][0];
    EXPECT_EQ(made["run"], "run-1");
    EXPECT_EQ(made["parameters"]["rank"], 8);
    const auto& from = made["from"][0];
    EXPECT_EQ(from["name"], "base");
    EXPECT_EQ(from["names"], json::array({"tiny"}));
    EXPECT_EQ(from["kind"], "model");
    const auto& data = from["provenance"][0]["from"][0];
    EXPECT_EQ(data["present"], false) << "told, though its bytes are not here";
    EXPECT_EQ(data["uri"], "sust:data/wordnet");
}

TEST_F(LineageTest, AnAdapterWithoutProvenanceStillShowsItsBase) {
    auto store = open();
    const auto base = put_model(store, "tiny");
    const auto adapter = put_adapter(store, "triage", base);
    EXPECT_EQ((*lineage_tree(store, adapter))["base"]["digest"], base.str());
}

TEST_F(LineageTest, ACircleEndsWhereItBegan) {
    auto store = open();
    const auto a = put_model(store, "a", "1");
    const auto b = put_model(store, "b", "2");
    say_made_from(store, a, "a", {{"x", "", b}});
    say_made_from(store, b, "b", {{"x", "", a}});
    const auto tree = *lineage_tree(store, a);
    const auto& again = tree["provenance"][0]["from"][0]["provenance"][0]["from"][0];
    EXPECT_EQ(again["digest"], a.str());
    EXPECT_EQ(again["told_above"], true);
}

TEST_F(LineageTest, DepthIsBounded) {
    auto store = open();
    const auto a = put_model(store, "a", "1");
    const auto b = put_model(store, "b", "2");
    say_made_from(store, a, "a", {{"x", "", b}});
    const auto tree = *lineage_tree(store, a, 1);
    EXPECT_EQ(tree["provenance"][0]["from"][0]["cut"], true);
}

}  // namespace
}  // namespace sust::store
