#include "apps/sust/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/sust/help.h"
#include "apps/sust/manual.h"
#include "apps/sust/table.h"
#include "core/text.h"

namespace sust::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Words = std::vector<std::string>;

core::Error error_of(const Words& words) {
    const auto parsed = parse_command_line(words, "1");
    return parsed ? core::Error{.message = "no error: " + parsed->text} : parsed.error();
}

TEST(Parse, TheVerbIsFoundBehindGlobalOptions) {
    const auto call = take_apart({"--root", "/tmp/x", "--json", "tune", "show", "run-1"});
    ASSERT_NE(call.verb, nullptr);
    EXPECT_EQ(call.verb->path, "tune show");
    EXPECT_EQ(call.root, "/tmp/x");
    EXPECT_TRUE(call.json);
    EXPECT_THAT(call.rest, ElementsAre("--root", "/tmp/x", "--json", "run-1"));
}

TEST(Parse, WordsBehindTwoDashesAreNotOurs) {
    const auto call = take_apart({"run", "--environment", "e", "--", "x", "--json", "--help"});
    EXPECT_FALSE(call.json);
    EXPECT_EQ(call.help, Call::Help::none);
    const auto parsed =
        parse_command_line({"run", "--environment", "e", "--", "x", "--json"}, "1").value();
    EXPECT_THAT(parsed.arguments.all("COMMAND"), ElementsAre("x", "--json"));
    EXPECT_FALSE(parsed.global.json);
}

TEST(Parse, AnUnknownNounIsInvalidAlsoWhenItsHelpIsAskedFor) {
    for (const Words& words : {Words{"modle"}, Words{"modle", "--help"}, Words{"modle", "-h"},
                               Words{"--json", "modle", "ls"}}) {
        const auto error = error_of(words);
        EXPECT_EQ(error.fault, Fault::invalid);
        EXPECT_THAT(error.hint, HasSubstr("'model'")) << error.message;
    }
    EXPECT_THAT(error_of({"zzzzzzzzz"}).hint, HasSubstr("up, down, status"));
    EXPECT_THAT(error_of({"zzzzzzzzz"}).hint, Not(HasSubstr("internal")));
}

TEST(Parse, ANounAloneNeedsAVerbAndSaysWhichThereAre) {
    const auto error = error_of({"tune"});
    EXPECT_EQ(error.message, "sust tune needs a verb");
    EXPECT_THAT(error.hint, HasSubstr("start, ls, show, logs"));
    EXPECT_THAT(error_of({"model", "lss"}).hint, HasSubstr("'ls'"));
    EXPECT_THAT(error_of({"model", "lss", "--help"}).hint, HasSubstr("'ls'"));
    EXPECT_THAT(parse_command_line({"tune", "--help"}, "1").value().text, HasSubstr("tune start"));
}

TEST(Parse, AValueThatContradictsAnEarlierOneIsRefusedWithBoth) {
    const auto error = error_of({"tune", "start", "r", "--name", "a", "--name", "b"});
    EXPECT_THAT(error.message, testing::AllOf(HasSubstr("--name"), HasSubstr("a and b")));
    const auto parsed =
        parse_command_line({"tune", "start", "r", "--set", "rank=8", "--set", "rank=9"}, "1");
    const auto pairs = parsed.value().arguments.pairs("--set");
    EXPECT_THAT(pairs.error().message, HasSubstr("--set rank was given twice: 8 and 9"));
    EXPECT_THAT(parse_pairs("--set", {"rank"}).error().message, HasSubstr("KEY=VALUE"));
    EXPECT_EQ(parse_pairs("--set", {"a=b=c", "d="}).value().at("a"), "b=c");
}

TEST(Parse, AFileIsLookedAtBeforeTheVerbIsRun) {
    EXPECT_EQ(error_of({"data", "check", "/tmp"}).fault, Fault::invalid);
    EXPECT_THAT(error_of({"data", "check", "/tmp"}).where, "/tmp");
    const auto absent = error_of({"serve", "apply", "no/such.toml"});
    EXPECT_EQ(absent.fault, Fault::not_found);
    EXPECT_THAT(absent.hint, HasSubstr("/"));
    EXPECT_EQ(error_of({"image", "build", "x.toml", "--locked", "/tmp"}).where, "/tmp");
    EXPECT_EQ(error_of({"model", "import", "/dev/null", "--name", "x"}).fault, Fault::invalid);
    EXPECT_TRUE(parse_command_line({"data", "check", "/dev/stdin"}, "1"));
}

TEST(Parse, AVerbThatBecomesAProgramKeepsItsOwnFailuresApart) {
    const core::Error error{.fault = Fault::invalid};
    EXPECT_EQ(exit_status(take_apart({"run", "--", "true"}).verb, error), 125);
    EXPECT_EQ(exit_status(take_apart({"tune", "ls"}).verb, error), 2);
    EXPECT_EQ(exit_status(nullptr, error), 2);
}

TEST(Help, NoLineIsWiderThanATerminalAndEveryOptionIsThere) {
    for (const auto& verb : verbs()) {
        for (const auto& page : {help_of(verb.path), brief_help_of(verb.path)}) {
            for (const auto& line : core::split(page, '\n')) {
                EXPECT_LE(width_of(line), 100U) << line;
            }
            for (const auto& option : verb.options) {
                EXPECT_THAT(page, HasSubstr("  " + shown(option)));
            }
        }
        EXPECT_THAT(brief_help_of(verb.path), Not(HasSubstr("examples")));
    }
    EXPECT_THAT(help_of("tune start"), HasSubstr("-f, --follow"));
    EXPECT_THAT(manual_page("1"), HasSubstr("\\-f, \\-\\-follow"));
}

TEST(Help, InShortIsTheUsageAndOneLinePerOption) {
    const auto brief = parse_command_line({"tune", "start", "-h"}, "1").value().text;
    const auto whole = parse_command_line({"tune", "start", "--help"}, "1").value().text;
    EXPECT_TRUE(brief.starts_with("usage: sust tune start"));
    EXPECT_LT(brief.size(), whole.size());
    EXPECT_THAT(whole, HasSubstr("examples:"));
    EXPECT_THAT(whole, HasSubstr("--json"));
    EXPECT_THAT(parse_command_line({}, "1").value().text, HasSubstr("examples:"));
    EXPECT_EQ(parse_command_line({"--version"}, "7").value().text, "sust 7\n");
}

}  // namespace
}  // namespace sust::cli
