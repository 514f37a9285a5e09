#include "core/hash.h"

#include <gtest/gtest.h>

namespace sust::core {
namespace {

// Vectors: FIPS 180-4 appendix, RFC 4231 case 2, RFC 4648 section 10.
TEST(Hash, MatchesThePublishedVectors) {
    EXPECT_EQ(sha256_hex("abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hmac_sha256_hex(Secret("Jefe"), "what do ya want for nothing?"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(base64("foob"), "Zm9vYg==");
    EXPECT_EQ(base64(""), "");
}

TEST(Hash, PiecesAndFilesGiveTheDigestOfTheWhole) {
    Sha256 hash;
    hash.update("a");
    hash.update("bc");
    EXPECT_EQ(hash.hex(), sha256_hex("abc"));
    const auto directory = TemporaryDirectory::create(testing::TempDir(), "hash-").value();
    ASSERT_TRUE(write_file(directory.path() / "f", "abc"));
    EXPECT_EQ(sha256_hex_of_file(directory.path() / "f").value(), sha256_hex("abc"));
}

TEST(Secrets, PrintStars) {
    std::ostringstream out;
    out << Secret("hunter2");
    EXPECT_EQ(out.str(), "********");
    EXPECT_NE(random_bytes(16), random_bytes(16));
    EXPECT_TRUE(equal_constant_time("ab", "ab"));
    EXPECT_FALSE(equal_constant_time("ab", "ac"));
}

}  // namespace
}  // namespace sust::core
