#include "core/log.h"

#include <functional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/fd.h"

namespace sust::core {
namespace {

std::string logged(LogForm form, const std::function<void(const Log&)>& use) {
    auto pipe = make_pipe().value();
    const ManualClock clock;
    use(Log(clock, "sustd", pipe.write.get(), form));
    pipe.write.reset();
    std::string text(4096, '\0');
    const auto got = ::read(pipe.read.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

TEST(Log, ALineForPeopleStartsWithTimeLevelComponentAndMessage) {
    EXPECT_EQ(logged(LogForm::text,
                     [](const Log& log) {
                         log.with("job", "j1").info("job started", {{"pid", "7"}});
                     }),
              "ts=2026-01-01T00:00:00.000Z level=info component=sustd msg=\"job started\" job=j1 "
              "pid=7\n");
}

TEST(Log, ALineForProgramsIsOneJsonObject) {
    const auto line =
        logged(LogForm::json, [](const Log& log) { log.warn("a \"quoted\"\nthing"); });
    const auto object = nlohmann::json::parse(line);
    EXPECT_EQ(object["msg"], "a \"quoted\"\nthing");
    EXPECT_EQ(object["level"], "warn");
    EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Log, ControlCharactersCannotForgeALine) {
    const auto line = logged(LogForm::text, [](const Log& log) { log.info("x\nts=fake"); });
    EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Log, LowerLevelsAreLeftOut) {
    EXPECT_EQ(logged(LogForm::text, [](const Log& log) { log.debug("detail"); }), "");
}

TEST(Log, AFileRotatesBySizeAndKeepsACount) {
    const auto directory = TemporaryDirectory::create(testing::TempDir(), "log-").value();
    const Path path = directory.path() / "sustd.log";
    const ManualClock clock;
    const auto log = Log::to_file(clock, "sustd", path, 300, 2);
    for (int i = 0; i < 40; ++i) {
        log.info("line", {{"i", std::to_string(i)}});
    }
    const auto newest = read_file(path, 400).value();
    EXPECT_NE(newest.find("\"i\":\"39\""), std::string::npos);
    EXPECT_TRUE(path_exists(path.string() + ".1"));
    EXPECT_TRUE(path_exists(path.string() + ".2"));
    EXPECT_FALSE(path_exists(path.string() + ".3"));
}

}  // namespace
}  // namespace sust::core
