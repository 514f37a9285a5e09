#include "store/collect.h"

#include <csignal>

#include <gmock/gmock.h>

#include "store/test_support.h"

namespace sust::store {
namespace {

using ::testing::HasSubstr;

constexpr core::Duration k_no_grace{0};

class CollectTest : public StoreTest {
  protected:
    static std::size_t collect(Store& store, core::Duration grace = k_no_grace) {
        const auto garbage = store.collect(grace, Store::DryRun::no);
        EXPECT_TRUE(garbage) << to_string(garbage.error());
        return garbage ? garbage->blobs.size() : 0;
    }
    Digest put_dataset(Store& store, const std::string& name) {
        const auto made =
            *store.put_model(Kind::dataset, {put(store, "train.jsonl", "data " + name)}, {});
        EXPECT_TRUE(store.set_name(name, made.digest));
        return made.digest;
    }
};

TEST_F(CollectTest, KeepsWhatHasANameAndItsParts) {
    auto store = open();
    const auto digest = put_model(store, "tiny");
    EXPECT_EQ(collect(store), 0U);
    const auto files = *store.files(digest);
    for (const auto& file : files) {
        EXPECT_TRUE(store.has_blob(file.digest));
    }
}

TEST_F(CollectTest, RemovesWhatNothingRefersToLargestFirst) {
    auto store = open();
    put_model(store, "tiny");
    const auto small = put(store, "a", "12");
    const auto large = put(store, "b", "123456");
    const auto dry = *store.collect(k_no_grace, Store::DryRun::yes);
    ASSERT_EQ(dry.blobs.size(), 2U);
    EXPECT_EQ(dry.blobs[0].digest, large.digest);
    EXPECT_EQ(dry.blobs[1].digest, small.digest);
    EXPECT_EQ(dry.bytes, 8U);
    EXPECT_TRUE(store.has_blob(small.digest)) << "a dry run only counts";
    EXPECT_EQ(collect(store), 2U);
    EXPECT_FALSE(store.has_blob(small.digest));
}

TEST_F(CollectTest, SaysWhatTheGarbageIsAsFarAsAManifestTells) {
    auto store = open();
    put_model(store, "tiny");
    ASSERT_TRUE(store.remove_name("tiny"));
    const auto alone = put(store, "a", "1");
    const auto garbage = *store.collect(k_no_grace, Store::DryRun::yes);
    std::map<std::string, int> types;
    for (const auto& blob : garbage.blobs) {
        ++types[blob.media_type];
    }
    const std::map<std::string, int> expected{{"", 1},
                                              {std::string(k_manifest_type), 1},
                                              {std::string(k_model_config_type), 1},
                                              {std::string(k_weight_type), 1}};
    EXPECT_EQ(types, expected);
}

TEST_F(CollectTest, LeavesAnUploadTheTimeToGetItsName) {
    auto store = open();
    const auto file = put(store, "a", "12");
    clock.advance(std::chrono::minutes(59));
    EXPECT_EQ(collect(store, std::chrono::hours(1)), 0U);
    EXPECT_EQ(store.collect(std::chrono::hours(1), Store::DryRun::yes)->young_bytes, 2U);
    clock.advance(std::chrono::minutes(2));
    EXPECT_EQ(collect(store, std::chrono::hours(1)), 1U);
}

TEST_F(CollectTest, AYoungManifestKeepsItsOldFiles) {
    auto store = open();
    const auto file = put(store, "a", "12");
    clock.advance(std::chrono::hours(2));
    const auto made = *store.put_model(Kind::model, {file}, {});
    EXPECT_EQ(collect(store, std::chrono::hours(1)), 0U);
    EXPECT_TRUE(store.set_name("tiny", made.digest));
}

TEST_F(CollectTest, BytesBroughtInAgainAreYoungAgain) {
    auto store = open();
    put(store, "a", "12");
    clock.advance(std::chrono::hours(2));
    const auto file = put(store, "a", "12");
    EXPECT_EQ(collect(store, std::chrono::hours(1)), 0U);
    EXPECT_TRUE(store.has_blob(file.digest));
}

TEST_F(CollectTest, ARootHoldsWhatHasLostItsName) {
    auto store = open();
    const auto digest = put_model(store, "tiny", "1");
    const Root root{
        .kind = "run", .id = "run-1", .owner = "", .since = clock.wall(), .holds = {digest}};
    ASSERT_TRUE(store.set_root(root));
    put_model(store, "tiny", "2");
    EXPECT_EQ(collect(store), 0U);
    ASSERT_TRUE(store.remove_root("run", "run-1"));
    EXPECT_EQ(collect(store), 3U) << "manifest, config, weights";
}

TEST_F(CollectTest, AnAdapterHoldsItsBase) {
    auto store = open();
    const auto base = put_model(store, "tiny", "1");
    put_adapter(store, "triage", base);
    put_model(store, "tiny", "2");
    EXPECT_EQ(collect(store), 0U);
    EXPECT_TRUE(store.has_blob(base));
}

TEST_F(CollectTest, AStatementLivesAsLongAsItsSubject) {
    auto store = open();
    const auto digest = put_model(store, "tiny");
    ASSERT_TRUE(store.attach_statement(digest, evaluation_text(digest)));
    ASSERT_TRUE(store.attach_statement(digest, evaluation_text(digest, R"({"a":1})")));
    EXPECT_EQ(collect(store), 1U) << "the list before the second statement";
    EXPECT_EQ(store.statements(digest)->size(), 2U);
    ASSERT_TRUE(store.remove_name("tiny"));
    collect(store);
    EXPECT_EQ(blob_count(), 0U);
    EXPECT_TRUE(store.statements(digest)->empty());
    const auto index = *core::read_file(folder() / "index.json", 10'000);
    EXPECT_THAT(index, ::testing::Not(HasSubstr("sha256-")));
}

TEST_F(CollectTest, WhatAModelWasMadeOfStaysWithIt) {
    auto store = open();
    const auto data = put_dataset(store, "tickets");
    const auto model = put_model(store, "tiny");
    const Provenance made{.subject_name = "tiny",
                          .build_type = "b",
                          .dependencies = {{"data", "sust:data/tickets", data},
                                           {"recipe", "", Digest::of("never in the store")}},
                          .run = "run-1"};
    ASSERT_TRUE(store.attach_statement(model, provenance_statement(model, made)));
    ASSERT_TRUE(store.remove_name("tickets"));
    EXPECT_EQ(collect(store), 0U);
    EXPECT_TRUE(store.has_blob(data));
    ASSERT_TRUE(store.remove_name("tiny"));
    collect(store);
    EXPECT_EQ(blob_count(), 0U);
}

TEST_F(CollectTest, RefusesToGuessWhenAManifestIsDamagedOrGone) {
    auto store = open();
    const auto digest = put_model(store, "tiny");
    const auto blobs = blob_count();
    ASSERT_TRUE(core::write_file(store.blob_path(digest), "{"));
    EXPECT_FALSE(store.collect(k_no_grace, Store::DryRun::no));
    std::filesystem::remove(store.blob_path(digest));
    const auto gone = store.collect(k_no_grace, Store::DryRun::no);
    ASSERT_FALSE(gone);
    EXPECT_THAT(gone.error().message, HasSubstr("name 'tiny'"));
    EXPECT_EQ(blob_count(), blobs - 1);
}

TEST_F(CollectTest, RefusesToGuessWhatADamagedRootHolds) {
    auto store = open();
    ASSERT_TRUE(core::make_directories(folder() / "roots" / "job"));
    ASSERT_TRUE(core::write_file(folder() / "roots" / "job" / "job-1", "{\"format\":9}"));
    const auto garbage = store.collect(k_no_grace, Store::DryRun::no);
    ASSERT_FALSE(garbage);
    EXPECT_THAT(garbage.error().where, HasSubstr("roots/job/job-1"));
}

TEST_F(CollectTest, KilledAtAnyMomentLeavesNoArtifactInParts) {
    auto store = open();
    for (int round = 0; round < 6; ++round) {
        std::vector<Digest> made;
        for (int i = 0; i < 8; ++i) {
            const auto file = put(store, "a", std::to_string(i));
            made.push_back(store.put_model(Kind::model, {file}, {})->digest);
        }
        const pid_t pid = ::fork();
        if (pid == 0) {
            (void)open().collect(k_no_grace, Store::DryRun::no);
            ::_exit(0);
        }
        ::usleep(static_cast<useconds_t>(round) * 400);
        ::kill(pid, SIGKILL);
        int status = -1;
        ::waitpid(pid, &status, 0);
        for (const auto& digest : made) {
            if (const auto manifest = store.manifest(digest)) {
                EXPECT_TRUE(store.has_blob(manifest->config.digest));
                EXPECT_TRUE(store.has_blob(manifest->layers.at(0).digest));
            }
        }
    }
    collect(store);
    EXPECT_EQ(blob_count(), 0U);
}

TEST_F(CollectTest, FilesThatAreNoBlobsAreLeftAlone) {
    auto store = open();
    ASSERT_TRUE(core::write_file(folder() / "blobs" / "sha256" / "notes.txt", "mine"));
    EXPECT_EQ(collect(store), 0U);
    EXPECT_TRUE(core::path_exists(folder() / "blobs" / "sha256" / "notes.txt"));
}

class RootsTest : public StoreTest {};

TEST_F(RootsTest, AreReadBackAsTheyWereSet) {
    auto store = open();
    const auto digest = put_model(store, "tiny");
    const Root root{.kind = "service",
                    .id = "demo",
                    .owner = "service demo",
                    .since = clock.wall(),
                    .holds = {digest}};
    ASSERT_TRUE(store.set_root(root));
    ASSERT_TRUE(store.set_root(root));
    const auto roots = *store.roots();
    ASSERT_EQ(roots.size(), 1U);
    EXPECT_EQ(roots[0].owner, "service demo");
    EXPECT_EQ(roots[0].since, clock.wall());
    EXPECT_EQ(roots[0].holds, root.holds);
    EXPECT_TRUE(store.remove_root("service", "demo"));
    EXPECT_TRUE(store.remove_root("service", "demo")) << "twice is once";
    EXPECT_TRUE(store.roots()->empty());
}

TEST_F(RootsTest, RefuseWhatTheyCannotHold) {
    auto store = open();
    EXPECT_FALSE(store.set_root({.kind = "cron", .id = "a", .owner = "", .holds = {}}));
    EXPECT_FALSE(store.set_root({.kind = "job", .id = "../a", .owner = "", .holds = {}}));
    EXPECT_FALSE(store.remove_root("job", "../../index.json"));
    const auto absent =
        store.set_root({.kind = "job", .id = "a", .owner = "", .holds = {Digest::of("absent")}});
    EXPECT_EQ(absent.error().fault, core::Fault::not_found);
}

}  // namespace
}  // namespace sust::store
