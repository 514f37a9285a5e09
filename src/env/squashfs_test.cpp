#include "env/squashfs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::env {
namespace {

std::string superblock(std::uint64_t used, std::uint16_t compression = 6) {
    std::string head(96, '\0');
    auto put = [&](std::size_t at, std::uint64_t value, int bytes) {
        for (int i = 0; i < bytes; ++i) {
            head[at + i] = static_cast<char>(value >> 8 * i);
        }
    };
    head.replace(0, 4, "hsqs");
    put(4, 7, 4);
    put(12, 131072, 4);
    put(20, compression, 2);
    put(22, 17, 2);
    put(28, 4, 2);
    put(40, used, 8);
    return head;
}

TEST(Superblock, TellsSizeBlocksAndCompression) {
    auto facts = read_superblock(superblock(5000), 8192);
    ASSERT_TRUE(facts);
    EXPECT_EQ(*facts, (SquashfsFacts{.file_bytes = 8192,
                                     .used_bytes = 5000,
                                     .block_bytes = 131072,
                                     .inodes = 7,
                                     .compression = "zstd"}));
}

TEST(Superblock, OfSomethingElseIsRefused) {
    EXPECT_FALSE(read_superblock("", 0));
    EXPECT_FALSE(read_superblock("hsqs", 4));
    EXPECT_FALSE(read_superblock(std::string(96, 'x'), 96));
    EXPECT_FALSE(read_superblock(superblock(5000, 0), 8192));
    EXPECT_FALSE(read_superblock(superblock(5000, 7), 8192));
    for (std::size_t at : {12U, 22U, 28U, 30U}) {
        auto damaged = superblock(5000);
        damaged[at] = 99;
        EXPECT_FALSE(read_superblock(damaged, 8192)) << at;
    }
}

TEST(Superblock, OfACutOffFileSaysHowMuchIsMissing) {
    auto facts = read_superblock(superblock(5000), 4096);
    ASSERT_FALSE(facts);
    EXPECT_THAT(facts.error().message, ::testing::HasSubstr("4096 of 5000 bytes"));
}

TEST(AnImageFile, ThatIsAbsentOrNoFileIsNamed) {
    auto absent = inspect_squashfs("/nonexistent/x.sqsh");
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().fault, core::Fault::not_found);
    EXPECT_EQ(absent.error().where, "/nonexistent/x.sqsh");
    EXPECT_FALSE(inspect_squashfs("/dev/null"));
    EXPECT_FALSE(inspect_squashfs("/"));
}

}  // namespace
}  // namespace sust::env
