#include "control/idempotency.h"

#include <gtest/gtest.h>

#include "control/migrations.h"

namespace sust::control {
namespace {

using core::Fault;

class AnswersTest : public testing::Test {
  protected:
    AnswersTest() { EXPECT_TRUE(migrate(database_)); }

    core::ManualClock clock_;
    core::Database database_ = core::Database::open_in_memory().value();
    Answers answers_{database_, clock_};
};

TEST_F(AnswersTest, ARepeatedRequestGetsTheFirstAnswer) {
    EXPECT_EQ(answers_.find("0 /runs", "k", "body").value(), std::nullopt);
    ASSERT_TRUE(answers_.keep("0 /runs", "k", "body", core::http::json_response(201, "{}")));
    const auto again = answers_.find("0 /runs", "k", "body").value();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->status, 201);
    EXPECT_EQ(again->body, "{}");
    EXPECT_EQ(again->headers.get("Idempotent-Replay"), "true");
}

TEST_F(AnswersTest, AKeyForAnotherRequestIsAConflict) {
    ASSERT_TRUE(answers_.keep("0 /runs", "k", "body", {}));
    EXPECT_EQ(answers_.find("0 /runs", "k", "other").error().fault, Fault::conflict);
    EXPECT_EQ(answers_.find("1 /runs", "k", "other").value(), std::nullopt);
}

TEST_F(AnswersTest, AnswersAreForgottenAfterADay) {
    ASSERT_TRUE(answers_.keep("0 /runs", "old", "body", {}));
    clock_.advance(std::chrono::hours(23));
    ASSERT_TRUE(answers_.keep("0 /runs", "new", "body", {}));
    clock_.advance(std::chrono::hours(2));
    ASSERT_TRUE(answers_.prune());
    EXPECT_FALSE(answers_.find("0 /runs", "old", "body").value());
    EXPECT_TRUE(answers_.find("0 /runs", "new", "body").value());
}

TEST(IdempotencyKey, HasABoundAndNoControlCharacters) {
    EXPECT_TRUE(check_idempotency_key("req-01abc"));
    for (const auto& bad :
         {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a\nb")}) {
        EXPECT_FALSE(check_idempotency_key(bad)) << bad;
    }
}

}  // namespace
}  // namespace sust::control
