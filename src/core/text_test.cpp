#include "core/text.h"

#include <gtest/gtest.h>

namespace sust::core {
namespace {

TEST(Text, DurationsAreReadInTheirUnits) {
    const std::pair<const char*, Duration> good[] = {{"90s", 90s},     {"12h", 12h},
                                                     {"1h30m", 90min}, {"250ms", 250ms},
                                                     {"1.5s", 1500ms}, {"2d", 48h}};
    for (const auto& [text, value] : good) {
        ASSERT_TRUE(parse_duration(text)) << text;
        EXPECT_EQ(parse_duration(text).value(), value) << text;
    }
    for (const char* text : {"", "5", "s", "-1s", "1x", "1h-2m", "1e99h", "nan s"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
}

TEST(Text, SizesTellPowersOfTwoFromPowersOfTen) {
    EXPECT_EQ(parse_size("64MiB").value(), 64U << 20);
    EXPECT_EQ(parse_size("4GB").value(), 4'000'000'000U);
    EXPECT_EQ(parse_size("512").value(), 512U);
    for (const char* text : {"", "MiB", "-1", "4 gigs", "1e30GB", "4GB5"}) {
        EXPECT_FALSE(parse_size(text)) << text;
    }
    EXPECT_EQ(format_size(0), "0 B");
    EXPECT_EQ(format_size(3 << 20), "3.0 MiB");
}

TEST(Text, NamesRefusePathPartsControlCharactersAndLength) {
    for (const char* name : {"a", "a-b", "llama-3.1_8b", "0"}) {
        EXPECT_TRUE(check_name("service name", name)) << name;
    }
    for (const std::string& name :
         {std::string(), std::string("-a"), std::string("a/b"), std::string(".."), std::string("A"),
          std::string("a\nb"), std::string("a\0b", 3), std::string(10'000, 'a')}) {
        EXPECT_FALSE(check_name("service name", name));
    }
}

TEST(Text, ModelNamesArePartsJoinedBySlashes) {
    EXPECT_TRUE(check_model_name("org/tiny/gguf"));
    for (const std::string& name :
         {std::string("a//b"), std::string("/a"), std::string("a/"), std::string("../a"),
          std::string("a/../b"), std::string("a..b"), std::string(10'240, 'a')}) {
        EXPECT_FALSE(check_model_name(name)) << name.substr(0, 20);
    }
}

TEST(Text, TheNearestWordIsNamedOnlyIfItIsNear) {
    const std::vector<std::string> known{"rank", "alpha", "learning_rate"};
    EXPECT_EQ(nearest("rnak", known), "rank");
    EXPECT_EQ(nearest("learning-rate", known), "learning_rate");
    EXPECT_EQ(nearest("zebra", known), std::nullopt);
}

TEST(Text, AnAddressOfIPv6IsToldFromItsPort) {
    EXPECT_EQ(host_and_port("127.0.0.1", 8080), "127.0.0.1:8080");
    EXPECT_EQ(host_and_port("::1", 8080), "[::1]:8080");
}

TEST(Text, PrintableEscapesWhatCouldDriveATerminal) {
    EXPECT_EQ(printable("a\x1b[31mb"), "a\\x1b[31mb");
    EXPECT_EQ(printable("\xff"), "\\xff");
    EXPECT_EQ(printable("über"), "über");
    EXPECT_EQ(printable(std::string(500, 'x'), 10), "xxxxxxxxxx...");
}

TEST(Text, Utf8IsCheckedByItsDefinition) {
    EXPECT_TRUE(is_utf8("aä€😀"));
    for (const char* text : {"\x80", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
        EXPECT_FALSE(is_utf8(text));
    }
}

TEST(Text, PercentEncodingReadsBack) {
    EXPECT_EQ(percent_encode("a/b c"), "a%2Fb%20c");
    EXPECT_EQ(percent_decode("a%2Fb%20c").value(), "a/b c");
    for (const char* text : {"%", "%2", "%zz", "%-1"}) {
        EXPECT_FALSE(percent_decode(text)) << text;
    }
}

}  // namespace
}  // namespace sust::core
