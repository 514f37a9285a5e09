#include "cluster/job.h"

#include <gmock/gmock.h>

#include "cluster/words.h"

namespace sust::cluster {
namespace {

using ::testing::HasSubstr;

JobSpec whole_spec() {
    JobSpec spec{.token = {"job-1"}, .name = "one", .argv = {"true"}};
    spec.environment = {{"A", "b"}};
    spec.workdir = "/tmp";
    spec.notice = std::chrono::minutes(2);
    spec.shape = {.nodes = 4,
                  .tasks_per_node = 8,
                  .cpus_per_task = 3,
                  .memory_bytes = 1ULL << 40,
                  .gpus = {.count = 4, .type = "gh200"}};
    spec.image = "trainer";
    spec.priority = -7;
    spec.partition = "normal";
    spec.account = "a-infra01";
    spec.queue = "ml";
    spec.principal = "alice";
    spec.labels = {{"team", "ml"}};
    spec.options = {{"constraint", "gpu&nvme"}};
    spec.exclude_nodes = {"n1", "n2"};
    return spec;
}

TEST(JobSpec, IsReadAsItWasWritten) {
    const auto folder = core::TemporaryDirectory::create("/tmp", "sust-job-").value();
    const JobFiles files{folder.path() / "job-1"};
    ASSERT_TRUE(core::make_directories(files.path));
    const JobWord word{.spec = whole_spec(), .log_bytes = 5};
    ASSERT_TRUE(core::write_file(files.job(), job_text(word)));
    const auto read = read_job(files);
    ASSERT_TRUE(read && *read) << core::to_string(read.error());
    EXPECT_EQ(job_text(**read), job_text(word));
    EXPECT_EQ((*read)->spec.shape, word.spec.shape);
}

TEST(JobSpec, EachFieldThatCannotBeIsNamed) {
    EXPECT_TRUE(check_spec(whole_spec()));
    const auto refused = [](const std::string& field, auto change) {
        auto spec = whole_spec();
        change(spec);
        const auto checked = check_spec(spec);
        ASSERT_FALSE(checked) << field;
        EXPECT_THAT(checked.error().where, HasSubstr(field));
    };
    refused("nodes", [](auto& spec) { spec.shape.nodes = 0; });
    refused("nodes", [](auto& spec) { spec.shape.nodes = 2'000'000'000; });
    refused("tasks_per_node", [](auto& spec) { spec.shape.tasks_per_node = -1; });
    refused("cpus_per_task", [](auto& spec) { spec.shape.cpus_per_task = -1; });
    refused("gpus", [](auto& spec) { spec.shape.gpus.count = -1; });
    refused("notice", [](auto& spec) { spec.notice = spec.time_limit; });
    refused("priority", [](auto& spec) { spec.priority = k_priority_max + 1; });
    refused("partition", [](auto& spec) { spec.partition = "a b"; });
    refused("account", [](auto& spec) { spec.account = "--uid=0"; });
    refused("queue", [](auto& spec) { spec.queue = "q\n#SBATCH --uid=0"; });
    refused("principal", [](auto& spec) { spec.principal = std::string(129, 'p'); });
    refused("exclude_nodes", [](auto& spec) { spec.exclude_nodes = {"n1,n2"}; });
    refused("labels", [](auto& spec) { spec.labels = {{"a", "b\x1b[2J"}}; });
    refused("options", [](auto& spec) { spec.options = {{"a", std::string(1, '\0')}}; });
}

TEST(JobStatus, OnlyWhatNobodyAskedForIsALoss) {
    for (int end = 0; end <= static_cast<int>(End::vanished); ++end) {
        const JobStatus status{.state = State::ended, .end = static_cast<End>(end)};
        const bool lost = status.end == End::preempted || status.end == End::node_lost ||
                          status.end == End::vanished;
        EXPECT_EQ(was_lost(status), lost) << to_string(*status.end);
    }
    EXPECT_FALSE(was_lost({.state = State::unknown}));
}

}  // namespace
}  // namespace sust::cluster
