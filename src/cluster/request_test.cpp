#include "cluster/request.h"

#include <gmock/gmock.h>

namespace sust::cluster {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<JobRequest> read(std::string_view text) {
    return read_request(TRY(core::TomlTable::parse(text, "job.toml")));
}

constexpr std::string_view k_whole = R"(
name = "tune"
command = ["python3", "train.py"]
environment = "trainer"
workdir = "/scratch"
nodes = 2
tasks_per_node = 4
cpus_per_task = 8
memory = "64GiB"
priority = 5
partition = "normal"
account = "a-infra01"
queue = "ml"
principal = "alice"
[env]
A = "b,c"
[gpus]
count = 4
type = "gh200"
[time]
limit = "12h"
grace = "30s"
notice = "2m"
segments = "1h"
[retry]
count = 3
on = ["node_lost", "failed"]
exclude_bad_nodes = false
back_off = "1m"
[labels]
team = "ml"
[[placement]]
backend = "alps"
partition = "large"
[[placement]]
backend = "local"
[options.alps]
constraint = "gpu"
)";

TEST(JobRequest, EverythingHasADefaultButTheCommand) {
    const auto request = read("command = ['/usr/bin/sleep', '1']");
    ASSERT_TRUE(request) << core::to_string(request.error());
    EXPECT_EQ(request->name, "sleep");
    EXPECT_EQ(request->placement.front().backend, "local");
    EXPECT_EQ(request->retry.count, 0);
    EXPECT_EQ(request->shape, Shape{.cpus_per_task = 1});
    const auto none = read("name = 'x'");
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr("no command"));
    EXPECT_FALSE(read("command = ['a']\nscript = 'b'"));
}

TEST(JobRequest, AWholeOneBecomesWhatItSaysForTheBackEndThatIsChosen) {
    const auto request = read(k_whole);
    ASSERT_TRUE(request) << core::to_string(request.error());
    const auto spec = spec_of(*request, request->placement.front(), {"job-1"});
    EXPECT_THAT(spec.argv, ElementsAre("python3", "train.py"));
    EXPECT_EQ(spec.environment.at("A"), "b,c");
    EXPECT_EQ(spec.shape.memory_bytes, 64ULL << 30);
    EXPECT_EQ(spec.shape.gpus, (Gpus{.count = 4, .type = "gh200"}));
    EXPECT_EQ(spec.partition, "large");
    EXPECT_EQ(spec.account, "a-infra01");
    EXPECT_EQ(spec.time_limit, 1h);
    EXPECT_EQ(spec.notice, 2min);
    EXPECT_EQ(spec.options.at("constraint"), "gpu");
    EXPECT_TRUE(spec_of(*request, request->placement.back(), {"job-1"}).options.empty());
    EXPECT_EQ(request->retry.on, (std::vector{End::node_lost, End::failed}));
}

TEST(JobRequest, IsTheSameWhenItIsReadFromItsDocument) {
    const auto request = read(k_whole).value();
    const auto table = core::TomlTable::from_json(request.document, "kept");
    ASSERT_TRUE(table) << core::to_string(table.error());
    const auto again = read_request(*table);
    ASSERT_TRUE(again) << core::to_string(again.error());
    EXPECT_EQ(again->document, request.document);
    EXPECT_EQ(again->retry.back_off, request.retry.back_off);
    EXPECT_EQ(again->shape, request.shape);
}

TEST(JobRequest, WhatCannotBeIsNamedWithItsPlace) {
    const std::vector<std::pair<std::string, std::string>> bad = {
        {"comand = ['x']", "job.toml"},
        {"command = 'x'", "job.toml:1"},
        {"command = ['x']\nnodes = 0", "job.toml:2"},
        {"command = ['x']\nnodes = 'two'", "job.toml:2"},
        {"command = ['x']\nmemory = '64 bananas'", "job.toml:2"},
        {"command = ['x']\nworkdir = 'relative'", "job.toml:2"},
        {"command = ['x']\npartition = 'a b'", "job.toml:2"},
        {"command = ['x']\n[time]\nlimit = 'soon'", "job.toml:3"},
        {"command = ['x']\n[time]\nsegments = '1s'", "job.toml:3"},
        {"command = ['x']\n[retry]\non = ['cancelled']", "job.toml:3"},
        {"command = ['x']\n[retry]\ncount = -1", "job.toml:3"},
        {"command = ['x']\n[gpus]\ncolour = 'red'", "job.toml:3"},
        {"command = ['x']\n[[placement]]\npartition = 'p'", "job.toml:2"},
        {"command = ['x']\n[[placement]]\nbackend = '../x'", "job.toml:3"},
    };
    for (const auto& [text, place] : bad) {
        const auto refused = read(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_THAT(core::to_string(refused.error()), HasSubstr(place)) << text;
    }
}

}  // namespace
}  // namespace sust::cluster
