#include "store/digest.h"

#include <gtest/gtest.h>

namespace sust::store {
namespace {

const std::string k_hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Digest, IsThatOfTheBytes) {
    EXPECT_EQ(Digest::of("abc").hex(), k_hex);
    EXPECT_EQ(Digest::of("abc").str(), "sha256:" + k_hex);
}

TEST(Digest, IsReadBackFromItsText) {
    const auto digest = Digest::parse("sha256:" + k_hex);
    ASSERT_TRUE(digest);
    EXPECT_EQ(*digest, Digest::of("abc"));
}

TEST(Digest, RefusesEveryOtherForm) {
    const std::string upper = "sha256:BA" + k_hex.substr(2);
    for (const auto& text :
         {std::string(), k_hex, "sha512:" + k_hex, upper, "sha256:" + k_hex + "0",
          "sha256:" + k_hex.substr(1), "sha256:../" + k_hex.substr(3),
          "sha256:" + k_hex.substr(0, 63) + "\n"}) {
        const auto digest = Digest::parse(text);
        ASSERT_FALSE(digest) << text;
        EXPECT_EQ(digest.error().fault, core::Fault::invalid);
    }
}

}  // namespace
}  // namespace sust::store
