#include "cluster/slurm/rest_text.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "cluster/slurm/pass.h"

namespace sust::cluster::slurm {
namespace {

using namespace std::chrono_literals;
using core::Fault;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SlurmRest, OnlyJobsWithOurMarkAreRead) {
    const auto rows = read_jobs(R"({"jobs": [
        {"job_id": 7, "comment": "sust:job-01/2", "user_name": "alice", "job_state": "RUNNING",
         "state_reason": "None", "nodes": "n[1-2]"},
        {"job_id": 8, "comment": "", "user_name": "alice", "job_state": "RUNNING"},
        {"job_id": "9", "comment": "sust:job-02/1"}, 5, null,
        {"job_id": 10, "comment": "sust:job-03/1", "user_name": "bob", "job_state": ["PENDING"],
         "state_reason": "Priority", "nodes": ""}]})");
    ASSERT_TRUE(rows) << core::to_string(rows.error());
    ASSERT_EQ(rows->size(), 2U);
    EXPECT_EQ((*rows)[0].id, "7");
    EXPECT_EQ((*rows)[0].token.value, "job-01");
    EXPECT_EQ((*rows)[0].epoch, 2);
    EXPECT_EQ((*rows)[0].user, "alice");
    EXPECT_EQ((*rows)[0].state, "RUNNING");
    EXPECT_EQ((*rows)[0].reason, "");
    EXPECT_THAT((*rows)[0].nodes, ElementsAre("n1", "n2"));
    EXPECT_EQ((*rows)[1].state, "PENDING") << "later versions say a list";
    EXPECT_EQ((*rows)[1].reason, "Priority");
}

TEST(SlurmRest, AnAnswerThatWasCutOffIsNoShorterList) {
    for (const auto* text : {"", "{", "[]", R"({"jobs": [{"job_id": 7, "comment": "sust:j/1"})"}) {
        const auto rows = read_jobs(text);
        ASSERT_FALSE(rows) << text;
        EXPECT_EQ(rows.error().fault, Fault::unavailable);
    }
    EXPECT_FALSE(read_jobs(R"({"errors": []})")) << "no list is not an empty one";
    EXPECT_FALSE(read_jobs(R"({"jobs": {"job_id": 7}})")) << "no list";
    const std::string whole =
        R"({"meta": {"a": [1]}, "jobs": [{"job_id": 7, "comment": "sust:j/1", "x": {"y": []}},
            {"comment": "sust:k/1", "job_state": ["RUNNING"], "job_id": 8}], "errors": []})";
    ASSERT_EQ(read_jobs(whole).value().size(), 2U);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(read_jobs(whole.substr(0, size))) << whole.substr(0, size);
    }
}

TEST(SlurmRest, AFieldOfAnotherTypeIsAbsentAndItsNeighboursAreRead) {
    const auto rows = read_jobs(R"({"jobs": [
        {"state_reason": {"a": "b"}, "job_state": [], "comment": ["sust:a/1", 2], "nodes": [["x"]],
         "user_name": null, "job_id": 1, "job_idle": 5},
        {"comment": "sust:b/1", "job_id": 1.5}, {"comment": "sust:c/1", "job_id": 1e999},
        {"comment": "sust:d/1", "job_id": [4]}, [{"comment": "sust:e/1", "job_id": 5}],
        {"job_id": 6, "comment": "sust:f\u002f1", "user_name": "al\u0069ce"}]})");
    ASSERT_TRUE(rows) << core::to_string(rows.error());
    ASSERT_EQ(rows->size(), 2U);
    EXPECT_EQ((*rows)[0].token.value, "a");
    EXPECT_EQ((*rows)[0].state + (*rows)[0].user + (*rows)[0].reason, "");
    EXPECT_THAT((*rows)[0].nodes, ElementsAre());
    EXPECT_EQ((*rows)[1].token.value, "f");
    EXPECT_EQ((*rows)[1].user, "alice");
}

TEST(SlurmRest, AnAnswerThatIsNestedDeeplyTakesNoStack) {
    const std::string many(1'000'000, '[');
    EXPECT_FALSE(read_jobs(many));
    EXPECT_FALSE(read_jobs(R"({"jobs": [{"comment": )" + many));
    EXPECT_TRUE(
        read_jobs(R"({"jobs": [{"comment": )" + many + std::string(many.size(), ']') + "}]}"));
}

TEST(SlurmRest, PartitionsAreWhatTheirLargestNodesHave) {
    const auto site = read_site_parts(
        R"({"nodes": [
            {"name": "n1", "cpus": 4, "real_memory": 8000, "gres": "gpu:2", "partitions": ["batch"],
             "state": "idle", "state_flags": [], "reason": ""},
            {"name": "n2", "cpus": 8, "real_memory": 16000, "gres": "gpu:gh200:4", "partitions":
             ["batch", "other"], "state": "idle", "state_flags": ["DRAIN"],
             "reason": "sust: fan is loud"},
            {"name": "n3", "cpus": 4, "real_memory": 1, "gres": "", "partitions": [],
             "state": ["ALLOCATED", "DRAIN"], "reason": "power work"},
            {"name": "n4", "state": "mixed", "state_flags": ["NOT_RESPONDING"]}]})",
        R"({"partitions": [
            {"name": "batch", "flags": ["default"], "max_time_limit": 60, "state": "UP",
             "total_nodes": 2},
            {"name": "other", "flags": [], "max_time_limit": -1, "state": "DOWN",
             "total_nodes": 1}]})",
        "sust: ");
    ASSERT_TRUE(site) << core::to_string(site.error());
    ASSERT_EQ(site->partitions.size(), 2U);
    const auto& batch = site->partitions[0];
    EXPECT_TRUE(batch.is_default);
    EXPECT_TRUE(batch.up);
    EXPECT_EQ(batch.longest, 1h);
    EXPECT_EQ(batch.nodes, 2);
    EXPECT_EQ(batch.cores, 8);
    EXPECT_EQ(batch.memory_bytes, 16000ULL << 20);
    EXPECT_EQ(batch.gpus, (Gpus{.count = 4, .type = "gh200"}));
    EXPECT_EQ(site->partitions[1].longest, std::nullopt);
    ASSERT_EQ(site->nodes.size(), 4U);
    EXPECT_EQ(site->nodes[0].state, NodeState::idle);
    EXPECT_TRUE(site->nodes[1].held);
    EXPECT_EQ(site->nodes[1].hold_reason, "fan is loud");
    EXPECT_EQ(site->nodes[1].state, NodeState::drained);
    EXPECT_EQ(site->nodes[2].state, NodeState::draining);
    EXPECT_EQ(site->nodes[2].reason, "power work");
    EXPECT_EQ(site->nodes[3].state, NodeState::down);
}

TEST(SlurmRest, ARefusalIsToldFromWhatPasses) {
    const auto said = [](int status, const char* text) { return complaint_of(status, text); };
    const auto refused = said(
        500, R"({"errors": [{"error_code": 2000, "error": "Invalid partition name specified"}]})");
    EXPECT_EQ(refused.fault, Fault::invalid);
    EXPECT_THAT(refused.message, HasSubstr("Invalid partition name"));
    // A bad token, and a controller that is away.
    EXPECT_EQ(said(500, R"({"errors": [{"description": "Failed while looking for jobs",
                            "error_number": -1, "error": "Unspecified error"}]})")
                  .fault,
              Fault::unavailable);
    EXPECT_EQ(said(500, R"({"errors": [{"error_code": 5005, "error": "Zero Bytes"}]})").fault,
              Fault::unavailable);
    EXPECT_EQ(said(401, "Authentication failure").fault, Fault::denied);
    EXPECT_THAT(said(404, "Unable find requested URL").hint, HasSubstr("v0.0.38"));
    EXPECT_EQ(said(400, R"({"errors": [{"description": "Unknown key \"x\""}]})").fault,
              Fault::invalid);
    EXPECT_EQ(said(502, "<html>").fault, Fault::unavailable);
    EXPECT_TRUE(
        is_unknown_job(R"({"errors": [{"error_number": 2017, "error": "Invalid job id"}]})"));
    EXPECT_FALSE(is_unknown_job(R"({"errors": [{"error_number": 2002, "error": "denied"}]})"));
}

TEST(SlurmRest, ANumberIsASubmissionWhateverElseIsSaid) {
    EXPECT_EQ(read_submitted(R"({"errors": [{"error_code": 2015}], "job_id": 5})").value(), "5");
    EXPECT_FALSE(read_submitted(R"({"errors": [], "job_id": 0})"));
    EXPECT_TRUE(read_ping(R"({"meta": {"Slurm": {"release": "22.05.8"}}, "pings": [
                               {"ping": "DOWN"}, {"ping": "UP"}]})")
                    ->up);
}

// What slurmrestd 24.11.5 answered, without the fields that are not read.
TEST(SlurmRest, StructuredVersionsAreReadWhereTheySayIt) {
    const auto rows = read_jobs(R"({"jobs": [
        {"job_id": 1, "comment": "sust:job-01/1", "user_name": "root", "nodes": "n[1-2]",
         "job_state": ["RUNNING"], "state_reason": "None",
         "time_limit": {"set": true, "infinite": false, "number": 2}},
        {"job_id": 2, "comment": "sust:job-02/1", "user_name": "root", "nodes": "n1",
         "job_state": ["CANCELLED", "COMPLETING"], "state_reason": "None"}], "errors": []})");
    ASSERT_TRUE(rows) << core::to_string(rows.error());
    ASSERT_EQ(rows->size(), 2U);
    EXPECT_EQ((*rows)[0].state, "RUNNING");
    EXPECT_EQ((*rows)[1].state, "COMPLETING") << "what it started may still run";
    const auto site = read_site_parts(
        R"({"nodes": [{"name": "n1", "cpus": 4, "real_memory": 8000, "gres": "gpu:2", "partitions":
            ["batch", "debug"], "state": ["MIXED", "PLANNED"], "reason": ""},
            {"name": "n2", "cpus": 4, "real_memory": 8000, "gres": "gpu:2", "partitions": ["batch"],
             "state": ["IDLE", "DRAIN"], "reason": "sust: fan is loud"}]})",
        R"({"partitions": [
            {"nodes": {"configured": "n[1-2]", "total": 2}, "maximums": {"time": {"set": true,
             "infinite": false, "number": 60}}, "name": "batch", "partition": {"state": ["UP"]}},
            {"nodes": {"configured": "n1", "total": 1}, "maximums": {"time": {"set": false,
             "infinite": true, "number": 0}}, "name": "debug", "partition": {"state": ["DOWN"]}}]})",
        "sust: ");
    ASSERT_TRUE(site) << core::to_string(site.error());
    EXPECT_FALSE(site->tells_default);
    ASSERT_EQ(site->partitions.size(), 2U);
    EXPECT_EQ(site->partitions[0].longest, 1h);
    EXPECT_EQ(site->partitions[0].nodes, 2);
    EXPECT_EQ(site->partitions[0].cores, 4);
    EXPECT_TRUE(site->partitions[0].up);
    EXPECT_FALSE(site->partitions[0].is_default);
    EXPECT_EQ(site->partitions[1].longest, std::nullopt);
    EXPECT_FALSE(site->partitions[1].up);
    EXPECT_EQ(site->nodes[0].state, NodeState::busy);
    EXPECT_EQ(site->nodes[1].hold_reason, "fan is loud");
}

TEST(SlurmRest, TheOnlyPartitionIsTheDefaultOne) {
    const auto site = read_site_parts(
        R"({"nodes": []})", R"({"partitions": [{"name": "all", "partition": {"state": ["UP"]}}]})",
        "sust: ");
    ASSERT_TRUE(site);
    EXPECT_TRUE(site->partitions.at(0).is_default);
}

TEST(SlurmRest, ACancellationIsFineWhereThereIsNothingOfOursToEnd) {
    const auto said = [](std::string_view error) {
        return read_cancelled(
            fmt::format(R"({{"status": [{{"error": {}, "step_id": "1"}}], "errors": []}})", error));
    };
    EXPECT_TRUE(read_cancelled(R"({"status": [], "errors": []})"));
    EXPECT_TRUE(said(R"({"code": 2017, "message": "Invalid job id specified"})"));
    EXPECT_TRUE(said(R"({"code": 2021, "message": "Job/step already completing or completed"})"));
    EXPECT_TRUE(said(R"({"code": 2172, "message": "Job user id 0 != filter user id 999"})"));
    const auto refused = said(R"({"code": 5004, "message": "Socket timed out"})");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("timed out"));
    EXPECT_FALSE(read_cancelled("no JSON"));
}

TEST(SlurmRest, AVersionThatIsNotServedIsToldFromAThingThatIsNotThere) {
    EXPECT_TRUE(is_unknown_place(404, "Unable find requested URL. Please view /openapi/v3"));
    EXPECT_FALSE(is_unknown_place(
        404, R"({"errors": [{"error_number": 2017, "error": "Invalid job id specified"}]})"));
    EXPECT_FALSE(is_unknown_place(500, "Authentication failure"));
    const auto bad_token = complaint_of(511, R"({"errors": [{"description":
        "Unable to query jobs", "error_number": 1007, "error": "Protocol authentication error"}]})");
    EXPECT_EQ(bad_token.fault, Fault::denied);
    EXPECT_TRUE(read_ping(R"({"pings": [{"hostname": "vm", "pinged": "UP"}],
                              "meta": {"slurm": {"release": "24.11.5"}}})")
                    ->up);
}

TEST(SlurmToken, SaysWhoseItIsAndUntilWhenAndIsNeverPrinted) {
    // {"alg":"HS256","typ":"JWT"} . {"exp":1795609742,"iat":1,"sun":"alice"}
    const auto* text =
        "SLURM_JWT=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJleHAiOjE3OTU2MDk3NDIsImlhdCI6MSwic3VuIjoiYWxpY2UifQ.c2lnbmF0dXJl\n";
    const auto pass = parse_token(text);
    ASSERT_TRUE(pass) << core::to_string(pass.error());
    EXPECT_EQ(pass->user, "alice");
    EXPECT_EQ(pass->expires, core::WallTime(1795609742s));
    EXPECT_EQ(pass->text.reveal().substr(0, 5), "eyJhb");
    for (const auto* bad :
         {"", "SLURM_JWT=", "a.b", "a.b.c\r\nX-SLURM-USER-NAME: root", "a b.c.d"}) {
        EXPECT_FALSE(parse_token(bad)) << bad;
    }
    EXPECT_EQ(parse_token("a.AAAA.c")->user, "") << "its claims are no JSON";
}

TEST(SlurmToken, OthersMayNotReadIt) {
    const auto folder = core::TemporaryDirectory::create("/tmp", "sust-token-").value();
    const auto file = folder.path() / "token";
    ASSERT_TRUE(core::write_file(file, "a.b.c", 0640));
    const auto refused = read_token(file);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::denied);
    ASSERT_TRUE(core::write_file(file, "a.b.c", 0600));
    EXPECT_TRUE(read_token(file));
}

}  // namespace
}  // namespace sust::cluster::slurm
