#include "env/build_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "env/bootstrap.h"
#include "env/build_output.h"

namespace sust::env {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(BuildFile, NeedsOnlyANameAndASuite) {
    auto file = parse_build_file("name = \"tools\"\nsuite = \"trixie\"\n", "i.toml");
    ASSERT_TRUE(file) << core::to_string(file.error());
    EXPECT_THAT(file->components, ElementsAre("main"));
    EXPECT_EQ(file->variant, "minbase");
    EXPECT_TRUE(file->check_valid_until);
    EXPECT_FALSE(file->mirror);
    EXPECT_GT(file->disk_bytes, 0U);
}

TEST(BuildFile, TakesEveryKey) {
    auto file = parse_build_file(R"(name = "tools"
summary = "some tools"
suite = "trixie"
components = ["main", "contrib"]
packages = ["python3", "libstdc++6", "linux-image=6.1-1"]
mirror = "file:///srv/mirror"
check_valid_until = false
variant = "apt"
disk = "4GiB"
)",
                                 "i.toml");
    ASSERT_TRUE(file) << core::to_string(file.error());
    EXPECT_EQ(file->packages.size(), 3U);
    EXPECT_EQ(file->mirror, "file:///srv/mirror");
    EXPECT_FALSE(file->check_valid_until);
    EXPECT_EQ(file->variant, "apt");
    EXPECT_EQ(file->disk_bytes, std::uint64_t{4} << 30);
}

TEST(BuildFile, NamesWhatIsWrongWithItsPlace) {
    struct Case {
        const char* line;
        const char* said;
    };
    for (const auto& [line, said] : {
             Case{"package = [\"a\"]", "packages"},
             Case{"packages = [\"a,b\"]", "a,b"},
             Case{"packages = [\"--simulate\"]", "--simulate"},
             Case{"packages = [\"a b\"]", "a b"},
             Case{"components = [\"\"]", "components"},
             Case{"variant = \"huge\"", "minbase"},
             Case{"mirror = \"not a url\"", "URL"},
             Case{"disk = \"much\"", "much"},
         }) {
        auto text = std::string("name = \"tools\"\nsuite = \"trixie\"\n") + line + "\n";
        auto file = parse_build_file(text, "i.toml");
        ASSERT_FALSE(file) << line;
        EXPECT_EQ(file.error().fault, core::Fault::invalid);
        EXPECT_THAT(core::to_string(file.error()), HasSubstr("i.toml:3")) << line;
        EXPECT_THAT(core::to_string(file.error()), HasSubstr(said)) << line;
    }
    EXPECT_FALSE(parse_build_file("name = \"../x\"\nsuite = \"trixie\"\n", "i.toml"));
    EXPECT_FALSE(parse_build_file("name = \"x\"\nsuite = \"-o\"\n", "i.toml"));
}

TEST(AFailedBuild, NamesTheMirrorAndTheNextStep) {
    BuildFile file{.name = "tools", .suite = "trixie"};
    auto error = explain_failure(
        {"Get:1 something", "Err:1 http://m.example trixie InRelease",
         "E: Failed to fetch http://m.example/x  Could not connect to m.example:80"},
        file, "http://m.example");
    EXPECT_EQ(error.fault, core::Fault::unavailable);
    EXPECT_THAT(error.message, HasSubstr("http://m.example"));
    EXPECT_THAT(error.message, HasSubstr("Could not connect"));
    EXPECT_THAT(error.message, ::testing::Not(HasSubstr("something")));
    EXPECT_THAT(error.hint, HasSubstr("image.mirror="));
}

TEST(AFailedBuild, TellsPackagesDatesKeysAndDisksApart) {
    BuildFile file{.name = "tools", .suite = "trixie"};
    auto fault = [&](const char* line) { return explain_failure({line}, file, "m").fault; };
    EXPECT_EQ(fault("E: Unable to locate package nonesuch"), core::Fault::invalid);
    EXPECT_EQ(fault("E: Release file for x is expired (invalid since 3d)"), core::Fault::invalid);
    EXPECT_EQ(fault("E: The repository is not signed."), core::Fault::denied);
    EXPECT_EQ(fault("tar: write: No space left on device"), core::Fault::exhausted);
    EXPECT_EQ(fault("something new"), core::Fault::internal);
}

TEST(Pins, AllowTheLocksPackagesAndNothingElse) {
    EXPECT_EQ(pin_file({{"bash", "5.2", "amd64"}}),
              "Package: bash\nPin: version 5.2\nPin-Priority: 1001\n\n"
              "Package: *\nPin: release *\nPin-Priority: -1\n");
}

}  // namespace
}  // namespace sust::env
