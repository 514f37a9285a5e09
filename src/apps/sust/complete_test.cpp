#include "apps/sust/complete.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

using Words = std::vector<std::string>;

// Under a root where no sustd runs.
Words offered(const Words& words) {
    Context context;
    context.places.run = "/nonexistent";
    return offers(context, words);
}

TEST(Complete, WordsOfVerbsAlsoBehindGlobalOptions) {
    EXPECT_THAT(offered({"mod"}), ElementsAre("model"));
    EXPECT_THAT(offered({"model", "l"}), ElementsAre("lineage", "ls"));
    EXPECT_THAT(offered({"--json", "model", "l"}), ElementsAre("lineage", "ls"));
    EXPECT_THAT(offered({"--root", "/nonexistent", "model", "l"}), ElementsAre("lineage", "ls"));
    EXPECT_THAT(offered({"--config", "log.level=debug", "tune", "st"}), ElementsAre("start"));
    EXPECT_THAT(offered({""}), Not(Contains("internal-complete")));
}

TEST(Complete, OptionsOfTheVerbAndOfEveryVerb) {
    EXPECT_THAT(offered({"tune", "start", "--"}), IsSupersetOf({"--follow", "--json", "--root"}));
    EXPECT_THAT(offered({"--"}), Contains("--version"));
    EXPECT_THAT(offered({"tune", "start", "--fo"}), ElementsAre("--follow"));
}

TEST(Complete, Values) {
    EXPECT_THAT(offered({"completion", ""}), ElementsAre("bash", "fish", "zsh"));
    EXPECT_THAT(offered({"completion", "bash", ""}), IsEmpty());
    EXPECT_THAT(offered({"--config", "gateway."}),
                ElementsAre("gateway.listen=", "gateway.threads="));
    EXPECT_THAT(offered({"logs", "s"}), ElementsAre("sustd"));
    for (const Words& words :
         {Words{"data", "check", "x"}, Words{"--root", ""}, Words{"model", "import", "m"},
          Words{"run", "--mount", "/"}, Words{"image", "build", "--locked", "x"}}) {
        EXPECT_THAT(offered(words), ElementsAre("__files__"));
    }
}

TEST(Complete, NamesAreThoseOfTheRunningSustdAndNoneWithoutOne) {
    EXPECT_THAT(offered({"tune", "show", ""}), IsEmpty());
    EXPECT_THAT(offered({"tune", "start", "sft-lora", "--set", ""}), IsEmpty());
}

}  // namespace
}  // namespace sust::cli
