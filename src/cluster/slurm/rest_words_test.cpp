#include "cluster/slurm/rest_words.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace sust::cluster::slurm {
namespace {

using namespace std::chrono_literals;

Submission example() {
    return {.resources = {.nodes = 3,
                          .cpus = 8,
                          .memory_bytes = (1ULL << 30) + 1,
                          .gpus = {.count = 2, .type = "gh200"},
                          .time = 90s,
                          .qos = "long",
                          .nice = 7,
                          .options = {{"constraint", "hpc"}, {"exclusive", ""}}},
            .name = "job-01",
            .comment = "sust:job-01/1",
            .directory = "/jobs/job-01/1",
            .log = "/jobs/job-01/1/wrapper.log",
            .script = "#!/bin/sh\n\xff"};
}

TEST(SlurmRestWords, ASubmissionSaysWhatSbatchWouldBeTold) {
    const auto submission = example();
    const auto& old = *rest_version_named("v0.0.38");
    const auto body = nlohmann::json::parse(submit_text(old, submission));
    const auto& job = body.at("job");
    EXPECT_EQ(job.at("nodes"), "3-3");
    EXPECT_EQ(job.at("tasks"), 3);
    EXPECT_EQ(job.at("cpus_per_task"), 8);
    EXPECT_EQ(job.at("memory_per_node"), 1025);
    EXPECT_EQ(job.at("gpus_per_node"), "gh200:2");
    EXPECT_EQ(job.at("time_limit"), 2);
    EXPECT_EQ(job.at("no_requeue"), true);
    EXPECT_EQ(job.at("constraints"), "hpc");
    EXPECT_EQ(job.at("exclusive"), "exclusive");
    EXPECT_FALSE(job.contains("partition"));
    EXPECT_FALSE(job.at("environment").empty());
    EXPECT_TRUE(says_option(old, "qos"));
    EXPECT_FALSE(says_option(old, "switches"));
}

TEST(SlurmRestWords, StructuredVersionsAreToldTheSameInTheirShapes) {
    auto submission = example();
    submission.resources.exclude_nodes = {"n1", "n2"};
    submission.resources.options = {
        {"exclusive", ""}, {"gres", "nvme:1"}, {"threads-per-core", "1"}, {"contiguous", ""}};
    const auto& version = *rest_version_named("v0.0.42");
    const auto job = nlohmann::json::parse(submit_text(version, submission)).at("job");
    const auto number = [](int value) {
        return nlohmann::json({{"set", true}, {"infinite", false}, {"number", value}});
    };
    EXPECT_EQ(job.at("script").get<std::string>().substr(0, 9), "#!/bin/sh");
    EXPECT_EQ(job.at("nodes"), "3-3");
    EXPECT_EQ(job.at("cpus_per_task"), 8);
    EXPECT_EQ(job.at("memory_per_node"), number(1025));
    EXPECT_EQ(job.at("time_limit"), number(2));
    EXPECT_EQ(job.at("tres_per_node"), "gres/gpu:gh200:2,gres/nvme:1");
    EXPECT_EQ(job.at("requeue"), false);
    EXPECT_FALSE(job.contains("no_requeue"));
    EXPECT_EQ(job.at("excluded_nodes"), nlohmann::json({"n1", "n2"}));
    EXPECT_EQ(job.at("shared"), nlohmann::json::array({"none"}));
    EXPECT_EQ(job.at("open_mode"), nlohmann::json::array({"APPEND"}));
    EXPECT_EQ(job.at("threads_per_core"), 1);
    EXPECT_EQ(job.at("contiguous"), true);
    EXPECT_EQ(job.at("environment").at(0).get<std::string>().substr(0, 5), "PATH=");
    EXPECT_TRUE(says_option(version, "contiguous"));
    EXPECT_FALSE(says_option(version, "switches"));
}

TEST(SlurmRestWords, ACancellationNamesWhoseJobItIs) {
    EXPECT_EQ(nlohmann::json::parse(cancel_text("7", "alice")),
              nlohmann::json({{"jobs", nlohmann::json::array({"7"})}, {"user_name", "alice"}}));
    EXPECT_EQ(nlohmann::json::parse(drain_text("sust: fan is loud")),
              nlohmann::json(
                  {{"state", nlohmann::json::array({"DRAIN"})}, {"reason", "sust: fan is loud"}}));
    EXPECT_EQ(nlohmann::json::parse(resume_text()),
              nlohmann::json({{"state", nlohmann::json::array({"RESUME"})}}));
}

TEST(SlurmRestWords, VersionsAreKnownByTheirNamesAndTheNewestIsFirst) {
    EXPECT_EQ(rest_versions().front().name, "v0.0.42");
    EXPECT_EQ(rest_version_named("v0.0.39"), nullptr);
    EXPECT_EQ(rest_version_named(""), nullptr);
    std::string names;
    for (const auto& version : rest_versions()) {
        names += (names.empty() ? "" : ", ") + std::string(version.name);
    }
    EXPECT_EQ(names, rest_version_names());
}

}  // namespace
}  // namespace sust::cluster::slurm
