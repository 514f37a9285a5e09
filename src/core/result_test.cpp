#include "core/result.h"

#include <cerrno>
#include <memory>

#include <gtest/gtest.h>

namespace sust::core {
namespace {

Result<int> half(int n) {
    if (n % 2 != 0) {
        return fail(Fault::invalid, "odd", {.where = "n", .hint = "give an even number"});
    }
    return n / 2;
}

Result<int> quarter(int n) {
    return TRY(half(TRY(half(n))));
}

Result<std::unique_ptr<int>> boxed(int n) {
    auto box = TRY(Result<std::unique_ptr<int>>(std::make_unique<int>(TRY(half(n)))));
    return box;
}

TEST(Result, TryPassesTheValueOrTheErrorOn) {
    EXPECT_EQ(quarter(8).value(), 2);
    ASSERT_FALSE(quarter(6));
    EXPECT_EQ(quarter(6).error().message, "odd");
    EXPECT_EQ(*boxed(4).value(), 2);
}

TEST(Result, WithinPutsThePlaceInFront) {
    EXPECT_EQ(within("reading n", half(3)).error().message, "reading n: odd");
}

TEST(Result, AnErrorPrintsPlaceMessageAndNextStep) {
    EXPECT_EQ(to_string(half(1).error()), "n: odd (give an even number)");
}

TEST(Result, EveryFaultHasItsOwnExitCodeAndComesBackFromItsHttpStatus) {
    for (const auto fault :
         {Fault::invalid, Fault::denied, Fault::not_found, Fault::conflict, Fault::unavailable,
          Fault::timeout, Fault::exhausted, Fault::too_large, Fault::internal}) {
        EXPECT_EQ(fault_of_http_status(http_status(fault)), fault);
        EXPECT_NE(exit_code(fault), 0);
    }
    EXPECT_EQ(fault_of_http_status(401), Fault::denied);
    EXPECT_EQ(fault_of_http_status(429), Fault::exhausted);
}

TEST(Result, ErrnoBecomesTheCallersReaction) {
    EXPECT_EQ(Result<void>(fail_errno("open x", ENOENT)).error().fault, Fault::not_found);
    EXPECT_EQ(Result<void>(fail_errno("write x", ENOSPC)).error().fault, Fault::exhausted);
    EXPECT_EQ(Result<void>(fail_errno("read x", EISDIR)).error().fault, Fault::invalid);
}

}  // namespace
}  // namespace sust::core
