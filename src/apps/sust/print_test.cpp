#include "apps/sust/print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "apps/sust/follow.h"
#include "apps/sust/log_text.h"
#include "apps/sust/table.h"
#include "core/text.h"

namespace sust::cli {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

template <class F>
std::string printed(F&& print) {
    testing::internal::CaptureStdout();
    print();
    return testing::internal::GetCapturedStdout();
}

Context people() {
    return {};
}
Context programs() {
    Context context;
    context.json = true;
    return context;
}

TEST(Print, AnObjectsMembersAreLinesAndNothingIsRawJson) {
    const json run{{"id", "run-1"},
                   {"reason", nullptr},
                   {"name", ""},
                   {"parameters", {{"rank", 16}, {"targets", std::string(56, 't')}}},
                   {"services", {{{"name", "demo"}, {"ready", 2}}}}};
    const auto text = printed([&] {
        print_object(people(), run,
                     {{"id", "run"},
                      {"reason", "reason"},
                      {"name", "name"},
                      {"parameters", "parameters"},
                      {"services", "services"}});
    });
    EXPECT_EQ(text,
              "run            run-1\n"
              "parameters     rank = 16\n"
              "               targets = " +
                  std::string(56, 't') +
                  "\n"
                  "services       name demo, ready 2\n");
}

TEST(Print, LongTextGoesOnBelowItself) {
    const auto text = printed([] {
        print_object(people(), {{"reason", std::string(60, 'a') + " " + std::string(60, 'b')}},
                     {{"reason", "reason"}});
    });
    const auto lines = core::split(text, '\n');
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[1], std::string(15, ' ') + std::string(60, 'b'));
}

TEST(Print, WhatIsNoUtf8DoesNotEndTheProgram) {
    EXPECT_THAT(printed([] { print_json({{"text", "a\xff"}}); }), HasSubstr("a"));
}

TEST(Print, WhatWasNotMeasuredIsSaidSo) {
    const json of_base{
        {"datasets",
         {{{"name", "known"}, {"base_accuracy", 0.5}, {"tuned_accuracy", nullptr}, {"n", 4}}}},
        {"perplexity", {{"base", 12.5}, {"tuned", nullptr}}}};
    const auto lines = evaluation_lines(of_base);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_THAT(lines[0], HasSubstr("base   50.0 %  tuned not measured  (4 questions)"));
    EXPECT_THAT(lines[1], HasSubstr("tuned not measured"));
    EXPECT_THAT(evaluation_lines(nullptr), ElementsAre());
    EXPECT_THAT(evaluation_lines({{"datasets", json::array()}, {"perplexity", nullptr}}),
                ElementsAre());
}

TEST(LogText, IsPlainForPeopleAndJsonForPrograms) {
    const auto log = [](const Context& context, Follow follow) {
        return printed([&] {
            LogText out(context, follow);
            out.add("one\ntw");
            out.add("o\nthree");
            out.finish();
        });
    };
    EXPECT_EQ(log(people(), Follow::no), "one\ntwo\nthree");
    EXPECT_EQ(log(people(), Follow::yes), "one\ntwo\nthree");
    EXPECT_EQ(json::parse(log(programs(), Follow::no))["text"], "one\ntwo\nthree");
    EXPECT_EQ(log(programs(), Follow::yes),
              "{\"text\":\"one\"}\n{\"text\":\"two\"}\n{\"text\":\"three\"}\n");
}

TEST(ProgressLines, ALogHasTheFirstOfEachPhaseAndNotEveryCount) {
    testing::internal::CaptureStderr();
    {
        const auto context = people();
        Progress progress(context);
        for (const auto* phase : {"reading", "packing"}) {
            for (int count = 1; count <= 3; ++count) {
                progress.show(std::string(phase) + " " + std::to_string(count), phase);
            }
        }
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "reading 1\npacking 1\n");
}

}  // namespace
}  // namespace sust::cli
