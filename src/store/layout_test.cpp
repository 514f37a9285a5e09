#include "store/layout.h"

#include <gmock/gmock.h>

#include "store/test_support.h"

namespace sust::store {
namespace {

using ::testing::HasSubstr;

class LayoutTest : public StoreTest {
  protected:
    core::Error refusal() {
        auto store = Store::open(folder(), clock);
        EXPECT_FALSE(store);
        return store ? core::Error{} : store.error();
    }
    void write(const std::string& name, std::string_view text) const {
        ASSERT_TRUE(core::make_directories(folder()));
        ASSERT_TRUE(core::write_file(folder() / name, text));
    }
};

TEST_F(LayoutTest, ANewStoreIsAnEmptyImageLayout) {
    open();
    EXPECT_EQ(*core::read_file(folder() / "oci-layout", 100), R"({"imageLayoutVersion":"1.0.0"})");
    EXPECT_TRUE(open().list()->empty());
    EXPECT_EQ(temporary_count(), 0U);
}

TEST_F(LayoutTest, AFolderOfSomebodyElseIsRefusedAndLeftAlone) {
    write("holiday.jpg", "");
    const auto error = refusal();
    EXPECT_EQ(error.fault, core::Fault::conflict);
    EXPECT_THAT(error.message, HasSubstr("holiday.jpg"));
    EXPECT_FALSE(core::path_exists(folder() / "lock"));
}

TEST_F(LayoutTest, AnotherVersionIsRefused) {
    write("oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
    EXPECT_THAT(refusal().message, HasSubstr("2.0.0"));
    write("oci-layout", "garbage");
    EXPECT_THAT(refusal().message, HasSubstr("not JSON"));
}

TEST_F(LayoutTest, ACreationThatWasCutShortIsFinished) {
    write("lock", "");
    ASSERT_TRUE(core::make_directories(folder() / "blobs"));
    EXPECT_TRUE(Store::open(folder(), clock));
    EXPECT_TRUE(core::path_exists(folder() / "oci-layout"));
}

TEST_F(LayoutTest, AMissingIndexIsNotReplacedByAnEmptyOne) {
    open();
    std::filesystem::remove(folder() / "index.json");
    const auto error = refusal();
    EXPECT_THAT(error.message, HasSubstr("index.json is missing"));
    EXPECT_FALSE(core::path_exists(folder() / "index.json"));
}

TEST_F(LayoutTest, ADamagedIndexIsAnErrorThatSaysWhatToDo) {
    auto store = open();
    const auto digest = put_model(store, "tiny");
    put_model(store, "other", "2");
    const auto whole = *core::read_file(folder() / "index.json", 10'000);
    write("index.json", whole.substr(0, whole.size() / 2));
    const auto list = store.list();
    ASSERT_FALSE(list);
    EXPECT_THAT(list.error().message, HasSubstr("index.json is damaged"));
    EXPECT_THAT(list.error().hint, HasSubstr("index.json.previous"));
    EXPECT_FALSE(store.set_name("third", digest)) << "nothing is written over it";
    EXPECT_FALSE(store.collect(core::Duration(0), Store::DryRun::no));

    std::filesystem::rename(folder() / "index.json.previous", folder() / "index.json");
    EXPECT_EQ(*store.resolve("tiny"), digest) << "the one before the last change";
}

TEST_F(LayoutTest, ManyProcessesMayCreateItAtOnce) {
    constexpr int k_rounds = 25;  // each has a short moment in which the store is half there
    for (int round = 0; round < k_rounds; ++round) {
        std::vector<pid_t> children;
        for (int i = 0; i < 8; ++i) {
            const pid_t pid = ::fork();
            if (pid == 0) {
                ::_exit(Store::open(folder() / std::to_string(round), clock) ? 0 : 1);
            }
            children.push_back(pid);
        }
        for (const auto pid : children) {
            int status = -1;
            ::waitpid(pid, &status, 0);
            EXPECT_EQ(status, 0) << "round " << round;
        }
    }
}

}  // namespace
}  // namespace sust::store
