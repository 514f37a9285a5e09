#include "control/json_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sust::control {
namespace {

using core::Fault;
using testing::HasSubstr;

TEST(JsonBody, ReadsWhatIsThere) {
    auto body = JsonBody::parse(R"({"a":"x","n":3,"b":true,"l":["p","q"],"z":null})").value();
    EXPECT_EQ(body.required_text("a").value(), "x");
    EXPECT_EQ(body.integer("n").value(), 3);
    EXPECT_EQ(body.boolean("b").value(), true);
    EXPECT_THAT(body.texts("l").value(), testing::ElementsAre("p", "q"));
    EXPECT_EQ(body.text("z").value(), std::nullopt);
    EXPECT_EQ(body.text("absent").value(), std::nullopt);
    EXPECT_TRUE(body.no_other_keys());
}

TEST(JsonBody, AnEmptyBodyIsAnEmptyObject) {
    auto body = JsonBody::parse(" \n").value();
    EXPECT_FALSE(body.required_text("a"));
    EXPECT_TRUE(body.no_other_keys());
}

TEST(JsonBody, WrongTypesNameTheKey) {
    auto body = JsonBody::parse(R"({"a":1,"n":1.5,"l":[1],"big":18446744073709551615})").value();
    EXPECT_THAT(body.text("a").error().where, HasSubstr("body.a"));
    EXPECT_FALSE(body.integer("n"));
    EXPECT_FALSE(body.texts("l"));
    EXPECT_FALSE(body.integer("big"));
    EXPECT_FALSE(body.boolean("a"));
}

TEST(JsonBody, AnUnknownKeyIsToldWithTheNearestOne) {
    auto body = JsonBody::parse(R"({"modle":"x"})").value();
    (void)body.text("model");
    const auto checked = body.no_other_keys();
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().hint, HasSubstr("model"));
}

TEST(JsonBody, MalformedJsonIsToldWithItsPosition) {
    const auto body = JsonBody::parse("{\"a\":\n  nope}");
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().fault, Fault::invalid);
    EXPECT_THAT(body.error().message, HasSubstr("line 2"));
    EXPECT_FALSE(JsonBody::parse("[1]"));
    EXPECT_FALSE(JsonBody::parse("\"\xff\""));
}

TEST(JsonBody, DeepNestingIsRefusedBeforeItCostsMemory) {
    const auto body = JsonBody::parse("{\"a\":" + std::string(1 << 20, '['));
    ASSERT_FALSE(body);
    EXPECT_THAT(body.error().message, HasSubstr("deep"));
    EXPECT_TRUE(JsonBody::parse(
        R"({"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["})"));
}

}  // namespace
}  // namespace sust::control
