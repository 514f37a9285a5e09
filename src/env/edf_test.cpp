#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "env/environment.h"

namespace sust::env {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr const char* k_whole = R"(
base_environment = "site"
image = "/images/pytorch+25.sqsh"
workdir = "/home/${USER}"
entrypoint = false
writable = true
mounts = ["/capstor", "${HOME}:/work:ro"]

[env]
NCCL_NET = "AWS Libfabric"
UNSET_ME = ""

[annotations]
com.hooks.cxi.enabled = "true"
summary = "what people read"
[annotations.com.hooks.ssh]
enabled = true
)";

TEST(Edf, ReadsEveryKeyOfTheSpecificationThatWorksToday) {
    auto edf = parse_edf(k_whole, "e.toml");
    ASSERT_TRUE(edf) << core::to_string(edf.error());
    EXPECT_THAT(edf->base_environment, ElementsAre("site"));
    EXPECT_EQ(edf->image, "/images/pytorch+25.sqsh");
    EXPECT_EQ(edf->workdir, "/home/${USER}");
    EXPECT_EQ(edf->entrypoint, false);
    EXPECT_EQ(edf->writable, true);
    EXPECT_THAT(edf->mounts, ElementsAre("/capstor", "${HOME}:/work:ro"));
    EXPECT_THAT(edf->env,
                UnorderedElementsAre(Pair("NCCL_NET", "AWS Libfabric"), Pair("UNSET_ME", "")));
    EXPECT_THAT(edf->annotations, UnorderedElementsAre(Pair("com.hooks.cxi.enabled", "true"),
                                                       Pair("com.hooks.ssh.enabled", "true"),
                                                       Pair("summary", "what people read")));
}

TEST(Edf, TakesSeveralBaseEnvironments) {
    auto edf = parse_edf(R"(base_environment = ["a", "./b.toml"])", "e.toml");
    ASSERT_TRUE(edf);
    EXPECT_THAT(edf->base_environment, ElementsAre("a", "./b.toml"));
    EXPECT_FALSE(edf->image);
}

TEST(Edf, NamesAnUnknownKeyWithItsPlaceAndTheNearestOne) {
    auto edf = parse_edf("image = \"x\"\nworkdirr = \"/\"\n", "dir/e.toml");
    ASSERT_FALSE(edf);
    EXPECT_EQ(edf.error().fault, core::Fault::invalid);
    auto text = core::to_string(edf.error());
    EXPECT_THAT(text, HasSubstr("dir/e.toml:2:1"));
    EXPECT_THAT(text, HasSubstr("workdirr"));
    EXPECT_THAT(text, HasSubstr("'workdir'"));
}

TEST(Edf, RefusesValuesOfTheWrongTypeAndBrokenText) {
    for (const char* text :
         {"image = 3", "writable = \"yes\"", "mounts = \"/a\"", "env = 1", "[env]\nA = 1",
          "annotations = []", "image = ", "[env\n", "base_environment = [1]",
          "image = \"a\"\nimage = \"b\"", "[env]\n\"A=B\" = \"x\"", "[.", "a.", "[a.]", "=", "\xff",
          "[env]\n\"\" = \"x\""}) {
        auto edf = parse_edf(text, "e.toml");
        ASSERT_FALSE(edf) << text;
        EXPECT_EQ(edf.error().fault, core::Fault::invalid) << text;
    }
}

struct MountCase {
    const char* text;
    const char* source;
    const char* target;
    bool read_only;
};

TEST(Mounts, AreSourceTargetAndFlag) {
    for (const auto& [text, source, target, read_only] : {
             MountCase{"/a:/b", "/a", "/b", false},
             MountCase{"/a:/b:ro", "/a", "/b", true},
             MountCase{"/a:/b:rw", "/a", "/b", false},
             MountCase{"/a", "/a", "/a", false},
             MountCase{"./here:/b/", "./here", "/b", false},
             MountCase{"/a:/b/../c//d", "/a", "/c/d", false},
             MountCase{"/with space:/b c", "/with space", "/b c", false},
         }) {
        auto mount = parse_mount(text);
        ASSERT_TRUE(mount) << text;
        EXPECT_EQ(*mount, (Mount{.source = source, .target = target, .read_only = read_only}))
            << text;
    }
}

TEST(Mounts, OfAnotherFormAreRefusedWithTheForm) {
    for (const char* text : {"", ":", ":/b", "/a:", "/a:b", "relative", "/a:/b:rx",
                             "/a:/b:", "/a:/b:ro:x", "/a:/", "/a:/b/.."}) {
        auto mount = parse_mount(text);
        ASSERT_FALSE(mount) << text;
        EXPECT_EQ(mount.error().fault, core::Fault::invalid) << text;
        EXPECT_FALSE(mount.error().hint.empty()) << text;
    }
}

TEST(Variables, AreReplacedFromTheCallersEnvironmentOnly) {
    core::Environment caller{{"USER", "ana"}, {"EMPTY", ""}};
    EXPECT_EQ(expand("/home/${USER}/x", caller), "/home/ana/x");
    EXPECT_EQ(expand("$USER costs $$5 $", caller), "$USER costs $5 $");
    EXPECT_EQ(expand("${NONE:-a b}${EMPTY:-c}${EMPTY}", caller), "a bc");
    auto unset = expand("${NONE}", caller);
    ASSERT_FALSE(unset);
    EXPECT_THAT(core::to_string(unset.error()), HasSubstr("'NONE' is not set"));
    EXPECT_FALSE(expand("${USER", caller));
}

}  // namespace
}  // namespace sust::env
