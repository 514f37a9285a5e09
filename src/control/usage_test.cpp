#include "control/usage.h"

#include <gtest/gtest.h>

#include "control/migrations.h"

namespace sust::control {
namespace {

std::string line(const std::string& key, int prompt, int completion) {
    return R"({"ts":"2026-01-01T00:00:00.000Z","key":")" + key + R"(","prompt_tokens":)" +
           std::to_string(prompt) + R"(,"completion_tokens":)" + std::to_string(completion) + "}\n";
}

class UsageTest : public testing::Test {
  protected:
    UsageTest() { EXPECT_TRUE(migrate(database_)); }
    void write(const std::string& name, const std::string& text) {
        ASSERT_TRUE(core::append_file(folder_.path() / name, text));
    }

    core::TemporaryDirectory folder_ =
        core::TemporaryDirectory::create(testing::TempDir(), "ledger").value();
    core::Database database_ = core::Database::open_in_memory().value();
    Usage usage_{database_, folder_.path()};
};

TEST_F(UsageTest, EachLineIsCountedOnce) {
    write("gw-2026-01-01.jsonl", line("key-a", 10, 1) + line("key-b", 5, 5));
    ASSERT_FALSE(usage_.refresh(1 << 20).value());
    write("gw-2026-01-01.jsonl", line("key-a", 20, 2));
    write("gw-2026-01-02.jsonl", line("key-a", 30, 3));
    ASSERT_FALSE(usage_.refresh(1 << 20).value());
    // Another process, the same database.
    Usage again(database_, folder_.path());
    ASSERT_FALSE(again.refresh(1 << 20).value());
    const auto sums = again.by_key().value();
    EXPECT_EQ(sums.at("key-a").requests, 3);
    EXPECT_EQ(sums.at("key-a").prompt_tokens, 60);
    EXPECT_EQ(sums.at("key-a").completion_tokens, 6);
    EXPECT_EQ(sums.at("key-b").requests, 1);
}

TEST_F(UsageTest, ALineThatIsStillBeingWrittenWaits) {
    const auto whole = line("key-a", 1, 1);
    write("gw.jsonl", whole + whole.substr(0, 20));
    ASSERT_FALSE(usage_.refresh(1 << 20).value());
    EXPECT_EQ(usage_.by_key()->at("key-a").requests, 1);
    write("gw.jsonl", whole.substr(20));
    ASSERT_FALSE(usage_.refresh(1 << 20).value());
    EXPECT_EQ(usage_.by_key()->at("key-a").requests, 2);
}

TEST_F(UsageTest, NonsenseCountsForNobody) {
    write("gw.jsonl", "garbage\n{\"key\":3}\n[]\n" + line("key-a", -5, 1));
    ASSERT_FALSE(usage_.refresh(1 << 20).value());
    const auto sums = usage_.by_key().value();
    ASSERT_EQ(sums.size(), 1U);
    EXPECT_EQ(sums.at("key-a").prompt_tokens, 0);
}

TEST_F(UsageTest, ABudgetEndsOneLookAndTheNextGoesOn) {
    std::string many;
    for (int i = 0; i < 10'000; ++i) {
        many += line("key-a", 1, 1);
    }
    write("gw.jsonl", many);
    int looks = 1;
    while (usage_.refresh(1).value()) {
        ++looks;
    }
    EXPECT_GT(looks, 2);
    EXPECT_EQ(usage_.by_key()->at("key-a").requests, 10'000);
}

TEST_F(UsageTest, NoLedgerIsNoUsage) {
    Usage none(database_, folder_.path() / "absent");
    EXPECT_FALSE(none.refresh(1000).value());
    EXPECT_TRUE(none.by_key()->empty());
}

}  // namespace
}  // namespace sust::control
