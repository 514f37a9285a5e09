#include "env/lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "env/release.h"

namespace sust::env {
namespace {

using ::testing::ElementsAre;

Lock sample() {
    return {.name = "trainer",
            .summary = "PyTorch, CPU",
            .suite = "forky",
            .components = {"main"},
            .variant = "minbase",
            .architecture = "amd64",
            .mirror = "http://mirror.example/debian",
            .epoch = 1'760'000'000,
            .inputs = "sha256:00",
            .build_file = "name = \"trainer\"\n",
            .squashfs = "sha256:11",
            .squashfs_bytes = 42,
            .packages = {{"bash", "5.2", "amd64"}, {"tzdata", "2025b", "all"}}};
}

TEST(Lock, SurvivesItsTextForm) {
    auto text = sample().encode();
    auto back = Lock::decode(text);
    ASSERT_TRUE(back) << core::to_string(back.error());
    EXPECT_EQ(*back, sample());
    EXPECT_EQ(back->encode(), text);
    EXPECT_EQ(text.rfind("{\n \"format\": 1,", 0), 0U);
}

TEST(Lock, OfAnotherFormatOrDamagedIsRefused) {
    auto other = sample().encode();
    other.replace(other.find("\"format\": 1"), 11, "\"format\": 2");
    auto worded = sample().encode();
    worded.replace(worded.find("\"format\": 1"), 11, "\"format\": []");
    auto holed = sample().encode();
    holed.replace(holed.find("\"suite\""), 7, "\"sweet\"");
    auto typed = sample().encode();
    typed.replace(typed.find("\"5.2\""), 5, "5.2");
    std::vector<std::string> refused{other, worded, holed, typed, "[]", "{", ""};
    for (const std::string key : {"format", "epoch", "bytes"}) {  // no integer is so large
        auto huge = sample().encode();
        const auto at = huge.find("\"" + key + "\": ") + key.size() + 4;
        huge.replace(at, huge.find_first_of(",\n", at) - at, "1.7e98");
        refused.push_back(std::move(huge));
    }
    for (const auto& text : refused) {
        auto lock = Lock::decode(text);
        ASSERT_FALSE(lock) << text;
        EXPECT_EQ(lock.error().fault, core::Fault::invalid);
    }
}

TEST(PackageLines, AreSortedAndChecked) {
    auto packages = parse_package_lines("zlib1g\t1:1.3\tamd64\nbash\t5.2\tamd64\n");
    ASSERT_TRUE(packages);
    EXPECT_THAT(*packages,
                ElementsAre(Package{"bash", "5.2", "amd64"}, Package{"zlib1g", "1:1.3", "amd64"}));
    EXPECT_FALSE(parse_package_lines("bash 5.2 amd64\n"));
    EXPECT_FALSE(parse_package_lines("\t\t\n"));
}

TEST(AMirrorsIndex, LeavesOverWhatIsGoneAndTellsWhatIsThere) {
    std::vector<Package> wanted{
        {"bash", "5.2", "amd64"}, {"gone", "1", "all"}, {"tzdata", "2025a", "all"}};
    std::vector<Package> offered;
    strike_found(
        "Package: bash\nVersion: 5.2\nArchitecture: amd64\nDescription: shell\n\n"
        "Package: tzdata\nMulti-Arch: foreign\nArchitecture: all\nVersion: 2025b\n\n"
        "Package: unrelated\nVersion: 1\nArchitecture: all\n",
        wanted, offered);
    EXPECT_THAT(wanted,
                ElementsAre(Package{"gone", "1", "all"}, Package{"tzdata", "2025a", "all"}));
    EXPECT_THAT(offered,
                ElementsAre(Package{"bash", "5.2", "amd64"}, Package{"tzdata", "2025b", "all"}));
}

TEST(AReleasesDate, IsReadAsUtc) {
    EXPECT_EQ(date_of_release("Origin: x\nDate: Thu, 01 Jan 1970 00:01:05 UTC\n"), 65);
    EXPECT_EQ(date_of_release("Date: Sat, 08 Nov 2025 10:18:37 UTC\n"), 1'762'597'117);
    for (const char* text : {"", "Date:", "Date: Sat, 08 Foo 2025 10:18:37 UTC",
                             "Date: Sat, 31 Feb 2025 10:18:37 UTC", "Date: never"}) {
        EXPECT_FALSE(date_of_release(text)) << text;
    }
}

}  // namespace
}  // namespace sust::env
