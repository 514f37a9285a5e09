#include "tenancy/key_table.h"

#include <gtest/gtest.h>

namespace sust::tenancy {
namespace {

class KeyTableTest : public testing::Test {
  protected:
    Key make(std::string name) {
        return make_key(clock_, secret_, std::move(name), {"m/a", "b"}, {"inference"}).key;
    }

    core::ManualClock clock_;
    core::Secret secret_{"s"};
    core::Database database_ = std::move(*core::Database::open_in_memory());
    KeyTable table_ = *KeyTable::open(database_);
};

TEST_F(KeyTableTest, FindsByIdAndByName) {
    const auto key = make("ci");
    ASSERT_TRUE(table_.insert(key));
    const auto found = table_.by_id(key.id);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->hmac, key.hmac);
    EXPECT_EQ((*found)->models, key.models);
    EXPECT_EQ((*found)->created, key.created);
    ASSERT_TRUE(*table_.by_name("ci"));
    EXPECT_FALSE(*table_.by_name("other"));
    EXPECT_FALSE(*table_.by_id("key-none"));
}

TEST_F(KeyTableTest, GivesANameAgainAfterItsKeyWasRevoked) {
    const auto old_key = make("ci");
    ASSERT_TRUE(table_.insert(old_key));
    EXPECT_EQ(table_.insert(make("ci")).error().fault, core::Fault::conflict);
    ASSERT_TRUE(table_.revoke(old_key.id, clock_.wall()));
    EXPECT_FALSE(*table_.by_name("ci"));
    ASSERT_TRUE(table_.insert(make("ci")));
    EXPECT_EQ(table_.list()->size(), 2U);
    EXPECT_TRUE((*table_.by_id(old_key.id))->revoked);
}

TEST_F(KeyTableTest, SaysThatAKeyToRevokeIsAbsent) {
    EXPECT_EQ(table_.revoke("key-none", clock_.wall()).error().fault, core::Fault::not_found);
}

TEST_F(KeyTableTest, KeepsTheFirstMomentOfRevocation) {
    const auto key = make("ci");
    ASSERT_TRUE(table_.insert(key));
    const auto first = clock_.wall();
    ASSERT_TRUE(table_.revoke(key.id, first));
    clock_.advance(std::chrono::hours(1));
    ASSERT_TRUE(table_.revoke(key.id, clock_.wall()));
    EXPECT_EQ((*table_.by_id(key.id))->revoked, first);
}

}  // namespace
}  // namespace sust::tenancy
