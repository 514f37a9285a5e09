#include "apps/sust/job_file.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace sust::cli {
namespace {

using testing::HasSubstr;

class JobFile : public testing::Test {
  protected:
    Result<nlohmann::json> read(std::string_view text, std::vector<std::string> set = {},
                                std::vector<std::string> backend = {}) {
        const auto file = folder_.path() / "job.toml";
        EXPECT_TRUE(core::write_file(file, text));
        Arguments arguments;
        arguments.values["FILE"] = {file.string()};
        if (!set.empty()) {
            arguments.values["--set"] = std::move(set);
        }
        if (!backend.empty()) {
            arguments.values["--backend"] = std::move(backend);
        }
        return read_job_file(arguments);
    }

    core::TemporaryDirectory folder_ =
        core::TemporaryDirectory::create("/tmp", "sust-job-file-").value();
};

TEST_F(JobFile, IsWhatTheApiTakes) {
    const auto document = read("command = ['x']\n[time]\nlimit = '1h'").value();
    EXPECT_EQ(document["time"]["limit"], "1h");
}

TEST_F(JobFile, SettingsReplaceWhatTheFileSaysByTheirTomlType) {
    const auto document = read("command = ['x']\nnodes = 1",
                               {"nodes=4", "time.limit=2h", "retry.on=['failed']",
                                "retry.exclude_bad_nodes=false", "name=a=b"},
                               {"alps"})
                              .value();
    EXPECT_EQ(document["nodes"], 4);
    EXPECT_EQ(document["time"]["limit"], "2h");
    EXPECT_EQ(document["retry"]["on"], nlohmann::json({"failed"}));
    EXPECT_EQ(document["retry"]["exclude_bad_nodes"], false);
    EXPECT_EQ(document["name"], "a=b");
    EXPECT_EQ(document["placement"][0]["backend"], "alps");
}

TEST_F(JobFile, WhatIsWrongIsNamedByLineOrBySetting) {
    EXPECT_THAT(core::to_string(read("command = ['x']\nnodez = 1").error()),
                HasSubstr("job.toml:2:1"));
    EXPECT_THAT(core::to_string(read("command = ['x']", {"nodes=none"}).error()),
                HasSubstr("nodes"));
    EXPECT_THAT(core::to_string(read("command = ['x']", {"command.first=1"}).error()),
                HasSubstr("no such key"));
    EXPECT_TRUE(read("name = 'x'", {"command=['true']"})) << "the rest may come from --set";
}

}  // namespace
}  // namespace sust::cli
