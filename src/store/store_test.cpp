#include "store/store.h"

#include <csignal>

#include <gmock/gmock.h>

#include "store/test_support.h"

namespace sust::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ArtifactsTest : public StoreTest {};
class NamesTest : public StoreTest {
  protected:
    static std::vector<std::string> names_of(const Store& store, std::optional<Kind> kind = {}) {
        std::vector<std::string> names;
        const auto all = *store.list(kind);
        for (const auto& named : all) {
            names.push_back(named.name);
        }
        return names;
    }
};

TEST_F(ArtifactsTest, AModelGivesBackItsFiles) {
    auto store = open();
    const std::vector<File> files{put(store, "config.json", "{}"), put(store, "data/a.jsonl", "a")};
    const auto made = store.put_model(Kind::model, {files[1], files[0]}, {.name = "tiny"});
    ASSERT_TRUE(made);
    const auto read = *store.files(made->digest);
    ASSERT_EQ(read.size(), 2U);
    EXPECT_EQ(read[0].path, "config.json");
    EXPECT_EQ(read[1].path, "data/a.jsonl");
    EXPECT_EQ(read[1].digest, files[1].digest);
    EXPECT_EQ(read[1].size, 1U);
}

TEST_F(ArtifactsTest, AModelWhoseFilesAreNotAllThereIsRefused) {
    auto store = open();
    const auto here = put(store, "a", "1");
    const File absent{.path = "b", .digest = Digest::of("absent"), .size = 6};
    const auto missing = store.put_model(Kind::model, {here, absent}, {});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().fault, core::Fault::not_found);
    EXPECT_EQ(missing.error().where, "b");
    const File wrong{.path = "a", .digest = here.digest, .size = 7};
    EXPECT_EQ(store.put_model(Kind::model, {wrong}, {}).error().fault, core::Fault::invalid);
}

TEST_F(ArtifactsTest, AnAdapterKnowsItsBase) {
    auto store = open();
    const auto base = put_model(store, "tiny");
    const auto adapter = put_adapter(store, "triage", base);
    EXPECT_EQ(*store.base_of(adapter), base);
    EXPECT_EQ(*store.base_of(base), std::nullopt);
    const auto file = put(store, "a", "1");
    EXPECT_FALSE(store.put_model(Kind::adapter, {file}, {}, adapter)) << "no adapter of adapters";
    EXPECT_FALSE(store.put_model(Kind::adapter, {file}, {}, Digest::of("absent")));
}

TEST_F(ArtifactsTest, AnImageIsItsSquashfsAndItsLock) {
    auto store = open();
    const auto squashfs = *store.put_bytes("hsqs", "application/octet-stream");
    const auto image = store.put_image(squashfs, R"({"packages":[]})", "llama-cpp");
    ASSERT_TRUE(image);
    const auto manifest = *store.manifest(image->digest);
    EXPECT_EQ(manifest.kind(), Kind::image);
    EXPECT_EQ(manifest.layers.at(0).digest, squashfs.digest);
    EXPECT_EQ(*store.read_blob(manifest.config.digest), R"({"packages":[]})");
    EXPECT_EQ(store.put_image(squashfs, R"({"packages":[]})", "llama-cpp")->digest, image->digest);
    EXPECT_FALSE(store.put_image(squashfs, "packages:", "llama-cpp")) << "the lock must be JSON";
}

TEST_F(ArtifactsTest, PathsFromAnotherToolAreChecked) {
    auto store = open();
    const auto blob = *store.put_bytes("x", "m");
    auto layer = blob;
    layer.annotations[std::string(k_title)] = "../../etc/passwd";
    const auto manifest =
        store.put_manifest({.artifact_type = "x/y", .config = blob, .layers = {layer}});
    ASSERT_TRUE(manifest);
    EXPECT_EQ(store.files(manifest->digest).error().fault, core::Fault::invalid);
}

TEST_F(NamesTest, PointToArtifactsAndCanBeMoved) {
    auto store = open();
    const auto one = put_model(store, "tiny", "1");
    EXPECT_EQ(*store.resolve("tiny"), one);
    const auto two = put_model(store, "tiny", "2");
    EXPECT_EQ(*store.resolve("tiny"), two);
    EXPECT_EQ(*store.resolve("tin"), std::nullopt);
    EXPECT_EQ(*store.resolve(one.str()), one) << "a digest is a name that cannot move";
    EXPECT_THAT(names_of(store), ElementsAre("tiny"));
}

TEST_F(NamesTest, AreListedByKindInOrder) {
    auto store = open();
    const auto base = put_model(store, "tiny");
    put_adapter(store, "apple", base);
    const auto data = *store.put_model(Kind::dataset, {put(store, "train.jsonl", "{}")}, {});
    ASSERT_TRUE(store.set_name("tickets", data.digest));
    ASSERT_TRUE(store.attach_statement(base, evaluation_text(base)));
    EXPECT_THAT(names_of(store), ElementsAre("apple", "tickets", "tiny"));
    EXPECT_THAT(names_of(store, Kind::adapter), ElementsAre("apple"));
    EXPECT_THAT(names_of(store, Kind::dataset), ElementsAre("tickets"));
    EXPECT_EQ(store.list(Kind::model)->at(0).bytes, std::string("weights").size());
}

TEST_F(NamesTest, RefuseWhatIsNoName) {
    auto store = open();
    const auto digest = put_model(store, "tiny");
    for (const std::string& bad :
         std::vector<std::string>{"", "../x", "a//b", "A", "a\n", "sha256-" + digest.hex()}) {
        EXPECT_EQ(store.set_name(bad, digest).error().fault, core::Fault::invalid) << bad;
    }
    EXPECT_FALSE(store.set_name(std::string(10'000, 'a'), digest));
    EXPECT_EQ(store.set_name("x", Digest::of("absent")).error().fault, core::Fault::not_found);
    EXPECT_EQ(store.set_name("x", put(store, "a", "no manifest").digest).error().fault,
              core::Fault::invalid);
}

TEST_F(NamesTest, OfOneKindAreNotTakenByAnother) {
    auto store = open();
    put_model(store, "tickets");
    const auto data = *store.put_model(Kind::dataset, {put(store, "train.jsonl", "{}")}, {});
    const auto taken = store.set_name("tickets", data.digest);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().fault, core::Fault::conflict);
    EXPECT_EQ(taken.error().message, "'tickets' is the name of a model");
}

TEST_F(NamesTest, ThatAreNotThereSayWhatIs) {
    auto store = open();
    put_model(store, "tiny");
    const auto absent = store.require("tinny", Kind::model);
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().fault, core::Fault::not_found);
    EXPECT_EQ(absent.error().message, "no model 'tinny'");
    EXPECT_EQ(absent.error().hint, "did you mean 'tiny'? sust model ls shows what exists");
    const auto other = store.require("tiny", Kind::dataset);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message, "'tiny' is a model, not a dataset");
}

TEST_F(NamesTest, InUseAreNotRemovedAndTheUserIsNamed) {
    auto store = open();
    const auto base = put_model(store, "tiny");
    const auto adapter = put_adapter(store, "triage", base);
    ASSERT_TRUE(store.set_root({.kind = "service",
                                .id = "demo",
                                .owner = "service demo",
                                .since = clock.wall(),
                                .holds = {adapter}}));
    const auto base_refused = store.remove_name("tiny");
    ASSERT_FALSE(base_refused);
    EXPECT_EQ(base_refused.error().fault, core::Fault::conflict);
    EXPECT_EQ(base_refused.error().message, "'tiny' is in use by service demo, adapter triage");
    EXPECT_EQ(store.remove_name("triage").error().message, "'triage' is in use by service demo");

    ASSERT_TRUE(store.remove_root("service", "demo"));
    EXPECT_TRUE(store.remove_name("triage"));
    EXPECT_TRUE(store.remove_name("tiny"));
    EXPECT_EQ(store.remove_name("tiny").error().fault, core::Fault::not_found);
}

TEST_F(NamesTest, ADamagedArtifactIsListedAndCanBeRemoved) {
    auto store = open();
    const auto bad = put_model(store, "bad", "1");
    put_model(store, "good", "2");
    ASSERT_TRUE(core::write_file(store.blob_path(bad), "{"));
    const auto models = *store.list(Kind::model);
    ASSERT_EQ(models.size(), 2U);
    ASSERT_TRUE(models[0].damage);
    EXPECT_THAT(models[0].damage->message, HasSubstr("damaged"));
    EXPECT_FALSE(models[1].damage);
    EXPECT_TRUE(store.remove_name("bad"));
}

TEST_F(NamesTest, SetByManyProcessesAtOnceAreAllThere) {
    auto store = open();
    const auto digest = put_model(store, "tiny");
    constexpr int k_children = 4;
    constexpr int k_names = 8;
    std::vector<pid_t> children;
    for (int child = 0; child < k_children; ++child) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            auto mine = open();
            bool good = true;
            for (int i = 0; i < k_names; ++i) {
                const auto name = "n" + std::to_string(child) + "-" + std::to_string(i);
                good = good && mine.set_name(name, digest).has_value();
            }
            ::_exit(good ? 0 : 1);
        }
        children.push_back(pid);
    }
    for (const auto pid : children) {
        int status = -1;
        ::waitpid(pid, &status, 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(store.list()->size(), 1U + k_children * k_names);
}

TEST_F(NamesTest, AreWholeWheneverTheWriterIsKilled) {
    auto store = open();
    const auto digest = put_model(store, "tiny");
    for (int round = 0; round < 20; ++round) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            auto mine = open();
            for (int i = 0;; ++i) {
                (void)mine.set_name("n" + std::to_string(i % 50), digest);
            }
        }
        ::usleep(static_cast<useconds_t>(round) * 700);
        ::kill(pid, SIGKILL);
        int status = -1;
        ::waitpid(pid, &status, 0);
        const auto all = store.list();
        ASSERT_TRUE(all) << to_string(all.error());
        EXPECT_EQ(*store.resolve("tiny"), digest);
        ASSERT_TRUE(store.set_name("after", digest)) << "the lock died with its holder";
    }
    ASSERT_TRUE(store.collect(core::Duration(0), Store::DryRun::no));
    EXPECT_EQ(temporary_count(), 0U);
}

}  // namespace
}  // namespace sust::store
