#include "cluster/kubernetes/pod.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cluster/kubernetes/deletion.h"
#include "cluster/kubernetes/manifest.h"
#include "cluster/kubernetes/nodes.h"
#include "cluster/kubernetes/pod_log.h"

namespace sust::cluster::kubernetes {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

const core::WallTime k_now = *core::parse_rfc3339("2026-01-01T01:00:00Z");

std::string word(int status, ExitReason reason = ExitReason::exited, int signal = 0) {
    return exit_text({.token = {"j"},
                      .epoch = 1,
                      .status = status,
                      .signal = signal,
                      .reason = reason,
                      .started = k_now,
                      .finished = k_now});
}

json pod(json status, json metadata = json::object()) {
    json object = {{"metadata",
                    {{"name", "sust-j-1-0"},
                     {"uid", "u"},
                     {"labels", {{k_job, "j"}, {k_epoch, "1"}, {k_rank, "0"}}}}},
                   {"spec", {{"nodeName", "n1"}}},
                   {"status", std::move(status)}};
    object["metadata"].update(metadata);
    return object;
}

json ended(int code, const std::string& message, const std::string& reason = "Error",
           json more = json::object()) {
    json status = {
        {"phase", code == 0 ? "Succeeded" : "Failed"},
        {"containerStatuses", json::array({{{"name", "main"},
                                            {"state",
                                             {{"terminated",
                                               {{"exitCode", code},
                                                {"reason", reason},
                                                {"message", message},
                                                {"finishedAt", "2026-01-01T00:59:00Z"}}}}}}})}};
    status.update(more);
    return status;
}

std::optional<PodEnd> end(const json& object) {
    const auto read = read_pod(object);
    EXPECT_TRUE(read) << core::to_string(read.error());
    return end_of(*read, k_now);
}

const json k_deleted = {{"deletionTimestamp", "2026-01-01T00:59:50Z"},
                        {"deletionGracePeriodSeconds", 30}};
const json k_running = {
    {"phase", "Running"},
    {"containerStatuses",
     json::array(
         {{{"name", "main"}, {"state", {{"running", {{"startedAt", "2026-01-01T00:00:00Z"}}}}}}})}};

TEST(Pod, WhatTheWrapperSaidIsBelieved) {
    const auto good = end(pod(ended(0, word(0), "Completed")));
    ASSERT_TRUE(good && good->word);
    EXPECT_EQ(good->word->status, 0);
    EXPECT_EQ(end(pod(ended(7, word(7))))->word->status, 7);
}

TEST(Pod, WithoutAWordNothingIsCompletedOrFailed) {
    for (const std::string said : {"", "{}", "{\"format\":1}", "text"}) {
        const auto zero = end(pod(ended(0, said, "Completed")));
        ASSERT_TRUE(zero);
        EXPECT_EQ(zero->end, End::vanished);
        EXPECT_FALSE(zero->word);
    }
    auto other = word(0);
    other.replace(other.find("\"epoch\": 1"), 10, "\"epoch\": 2");
    EXPECT_FALSE(end(pod(ended(0, other, "Completed")))->word) << "of another attempt";
    EXPECT_EQ(end(pod(ended(125, "sust-agent: no")))->end, End::start_failed);
    EXPECT_EQ(end(pod(ended(128, "", "StartError")))->end, End::start_failed);
}

TEST(Pod, KubernetesKnowsWhyACommandWasKilled) {
    EXPECT_EQ(end(pod(ended(137, word(137, ExitReason::signalled, 9), "OOMKilled")))->end,
              End::out_of_memory);
    EXPECT_EQ(end(pod(ended(137, "", "OOMKilled")))->end, End::out_of_memory);
    EXPECT_EQ(end(pod(ended(9, word(9), "OOMKilled")))->word->status, 9) << "it went on after it";
    const auto stopped = word(143, ExitReason::stopped);
    const std::vector<std::pair<std::string, End>> meanings = {
        {"Evicted", End::preempted},
        {"DeadlineExceeded", End::time_limit},
        {"NodeLost", End::node_lost},
        {"Shutdown", End::node_lost}};
    for (const auto& [reason, meant] : meanings) {
        EXPECT_EQ(end(pod(ended(143, stopped, "Error", {{"reason", reason}})))->end, meant);
        EXPECT_EQ(end(pod(ended(137, "", "Error", {{"reason", reason}})))->end, meant);
    }
    const json disrupted = {{"conditions", json::array({{{"type", "DisruptionTarget"},
                                                         {"status", "True"},
                                                         {"reason", "PreemptionByScheduler"}}})}};
    EXPECT_EQ(end(pod(ended(143, stopped, "Error", disrupted)))->end, End::preempted);
    auto tainted = disrupted;
    tainted["conditions"][0]["reason"] = "DeletionByTaintManager";
    EXPECT_EQ(end(pod(ended(143, stopped, "Error", tainted)))->end, End::preempted)
        << "its node still asked it to end";
    EXPECT_EQ(end(pod(ended(137, "", "Error", tainted)))->end, End::node_lost);
}

TEST(Pod, OneThatSomebodyDeletedIsCancelledUnlessItHadEndedByItself) {
    const auto asked = end(pod(ended(143, word(143, ExitReason::stopped)), k_deleted));
    EXPECT_TRUE(asked->was_deleted);
    EXPECT_EQ(asked->end, End::cancelled);
    EXPECT_EQ(end(pod(ended(0, word(0), "Completed"), k_deleted))->word->status, 0);
    const auto starting = end(pod({{"phase", "Failed"}}, k_deleted));
    EXPECT_TRUE(starting->was_deleted) << "its start was ended and did not fail";
}

// --- Why one was deleted ---------------------------------------------------------------------

TEST(Deletion, IsWhatTheEventsOfThisPodSay) {
    const auto stopped = *read_pod(pod(ended(143, word(143, ExitReason::stopped)),
                                       {{"creationTimestamp", "2026-01-01T00:00:00Z"}}));
    const auto silent = *read_pod(pod(ended(137, ""), k_deleted));
    const auto event = [](const std::string& reason, const std::string& message,
                          const std::string& uid, const std::string& when) {
        return json{{"items", json::array({{{"reason", reason},
                                            {"message", message},
                                            {"involvedObject", {{"uid", uid}}},
                                            {"lastTimestamp", when}}})}};
    };
    const auto taint = [&](const std::string& message, const std::string& when) {
        return event("TaintManagerEviction", message, "", when);  // it names no uid
    };
    const std::string after = "2026-01-01T00:30:00Z";
    EXPECT_EQ(said_by_events(event("Preempted", "by x", "u", after), stopped)->end, End::preempted);
    EXPECT_FALSE(said_by_events(event("Preempted", "by x", "other", after), stopped));
    EXPECT_FALSE(said_by_events(event("Killing", "", "u", after), stopped));
    EXPECT_EQ(said_by_events(taint("Marking for deletion", after), stopped)->end, End::preempted);
    EXPECT_EQ(said_by_events(taint("Marking for deletion", after), silent)->end, End::node_lost);
    EXPECT_FALSE(said_by_events(taint("Cancelling deletion", after), stopped));
    EXPECT_FALSE(said_by_events(taint("Marking for deletion", "2025-12-31T23:00:00Z"), stopped))
        << "of an earlier pod of that name";
    EXPECT_FALSE(said_by_events({{"items", json::array({1, "x", json::object()})}}, stopped));
}

TEST(Pod, ANodeThatDoesNotConfirmADeletionIsLost) {
    EXPECT_FALSE(end(pod(k_running)));
    EXPECT_FALSE(end(pod(k_running, k_deleted))) << "it may still be stopping";
    const auto lost = end(pod(k_running, {{"deletionTimestamp", "2026-01-01T00:50:00Z"},
                                          {"deletionGracePeriodSeconds", 30}}));
    ASSERT_TRUE(lost);
    EXPECT_EQ(lost->end, End::node_lost);
    EXPECT_EQ(end(pod(k_running, {{"deletionTimestamp", "2026-01-01T00:59:59Z"},
                                  {"deletionGracePeriodSeconds", 0}}))
                  ->end,
              End::node_lost)
        << "a collector removed it with its node";
}

TEST(Pod, AStartThatFailsSaysWhy) {
    const json waiting = {
        {"phase", "Pending"},
        {"containerStatuses",
         json::array(
             {{{"name", "main"},
               {"state",
                {{"waiting", {{"reason", "ImagePullBackOff"}, {"message", "no such image"}}}}}}})}};
    EXPECT_THAT(*start_trouble(*read_pod(pod(waiting))), HasSubstr("no such image"));
    EXPECT_FALSE(start_trouble(*read_pod(pod(k_running))));
    const auto refused = end(pod({{"phase", "Failed"}, {"reason", "OutOfcpu"}}));
    EXPECT_EQ(refused->end, End::start_failed);
    EXPECT_THAT(refused->reason, HasSubstr("OutOfcpu"));
}

TEST(Pod, WhatIsNoneOfOursIsLeftOut) {
    EXPECT_FALSE(read_pod(json::array()));
    EXPECT_FALSE(read_pod({{"metadata", {{"name", "p"}, {"uid", "u"}}}}));
    for (const auto& label : {"", "x", "-1", "999999999"}) {
        auto odd = pod(k_running);
        odd["metadata"]["labels"][k_rank] = label;
        EXPECT_FALSE(read_pod(odd)) << label;
    }
}

// --- What a job becomes ----------------------------------------------------------------------

KubernetesOptions options() {
    return {.name = "lab",
            .agent_image = "agent:1",
            .image = "base:1",
            .images = {{"trainer", "trainer:1"}},
            .service_accounts = {{"alice", "sa-alice"}},
            .priority_classes = {{"0", "normal"}, {"100", "high"}},
            .tolerations = {{"hpc", "true"}}};
}

JobSpec spec() {
    return {.token = {"j"}, .name = "name", .argv = {"true"}};
}

TEST(Manifest, NamesAreTheSameForEveryControllerAndFitKubernetes) {
    EXPECT_EQ(pod_name({"job-01k"}, 2, 0), "sust-job-01k-2-0");
    const auto odd = pod_name({"a_b..c"}, 1, 0);
    EXPECT_EQ(odd.find('_'), std::string::npos);
    EXPECT_NE(odd, pod_name({"a_b.c"}, 1, 0));
}

TEST(Manifest, APodHasWhatItsJobAskedFor) {
    auto asked = spec();
    asked.shape = {.nodes = 2, .cpus_per_task = 3, .memory_bytes = 1 << 20, .gpus = {.count = 4}};
    asked.image = "trainer";
    asked.principal = "alice";
    asked.priority = 150;
    asked.exclude_nodes = {"n1", "n2"};
    asked.time_limit = 1h;
    asked.argv = {"the-command"};
    const auto object = pod_object({.spec = asked, .epoch = 1, .controller = "c"}, 1, options());
    const auto& made = object["spec"];
    EXPECT_EQ(made["containers"][0]["image"], "trainer:1");
    EXPECT_EQ(made["containers"][0]["resources"]["requests"]["cpu"], "3");
    EXPECT_EQ(made["containers"][0]["resources"]["limits"]["nvidia.com/gpu"], "4");
    EXPECT_EQ(made["serviceAccountName"], "sa-alice");
    EXPECT_EQ(made["priorityClassName"], "high");
    EXPECT_GT(made["activeDeadlineSeconds"], 3600);
    EXPECT_EQ(made["tolerations"][0]["key"], "hpc");
    EXPECT_EQ(object["metadata"]["labels"][k_managed_by], "sust");
    const auto& fields =
        made["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            ["nodeSelectorTerms"][0]["matchFields"];
    EXPECT_EQ(fields.size(), 2U);
    EXPECT_TRUE(made["affinity"].contains("podAntiAffinity"));
    EXPECT_EQ(object.dump().find("the-command"), std::string::npos) << "it is in the Secret";
}

TEST(Manifest, WhatThisBackEndWasNotToldOfIsRefusedWithItsField) {
    const std::vector<std::pair<JobSpec, std::string>> refused = [] {
        std::vector<std::pair<JobSpec, std::string>> all(5, {spec(), ""});
        all[0].first.image = "none", all[0].second = "environment";
        all[1].first.principal = "bob", all[1].second = "principal";
        all[2].first.partition = "p", all[2].second = "partition";
        all[3].first.options = {{"hostPID", "true"}}, all[3].second = "options";
        all[4].first.argv = {std::string(1 << 20, 'x')}, all[4].second = "command";
        return all;
    }();
    for (const auto& [asked, field] : refused) {
        const auto checked = check_request(asked, options());
        ASSERT_FALSE(checked) << field;
        EXPECT_EQ(checked.error().where, field);
    }
    EXPECT_TRUE(check_request(spec(), options()));
}

TEST(Quantity, IsReadInThousandths) {
    EXPECT_EQ(parse_quantity("2"), 2000);
    EXPECT_EQ(parse_quantity("1500m"), 1500);
    EXPECT_EQ(parse_quantity("1Ki"), 1024'000);
    EXPECT_EQ(parse_quantity("1k"), 1000'000);
    for (const auto* bad : {"", "x", "-1", "1Xi", "nan", "1e300", "99999999Pi"}) {
        EXPECT_FALSE(parse_quantity(bad)) << bad;
    }
}

TEST(Machines, AreCountedByWhatTheyHaveAndWhomTheyRepel) {
    const auto machine = [](json spec, json allocatable) {
        return *read_machine(
            {{"metadata", {{"name", "n"}}},
             {"spec", std::move(spec)},
             {"status",
              {{"allocatable", std::move(allocatable)},
               {"conditions", json::array({{{"type", "Ready"}, {"status", "True"}}})}}}},
            options(), {});
    };
    const json taint = {{"taints", json::array({{{"key", "other"}, {"effect", "NoSchedule"}}})}};
    const std::vector<Machine> machines = {
        machine(json::object(), {{"cpu", "4"}, {"memory", "8Gi"}}),
        machine(taint, {{"cpu", "64"}, {"memory", "512Gi"}})};
    EXPECT_EQ(machines[0].node.state, NodeState::idle);
    EXPECT_EQ(machines[0].node.memory_bytes, 8ULL << 30);
    auto asked = spec();
    EXPECT_TRUE(fits(asked, machines, options()));
    asked.shape.nodes = 2;
    EXPECT_EQ(fits(asked, machines, options()).error().where, "nodes");
    asked.shape = {.cpus_per_task = 5};
    EXPECT_EQ(fits(asked, machines, options()).error().where, "cpus_per_task");
    asked.shape = {.gpus = {.count = 1}};
    EXPECT_EQ(fits(asked, machines, options()).error().where, "gpus");
}

TEST(Deletion, IsWhatTheStateOfTheNodeSaysWhereNoEventDoes) {
    const auto stopped = *read_pod(pod(ended(143, word(143, ExitReason::stopped))));
    const auto node = [](json spec, const char* ready, json annotations = json::object()) {
        return json{
            {"metadata", {{"name", "n1"}, {"annotations", std::move(annotations)}}},
            {"spec", std::move(spec)},
            {"status", {{"conditions", json::array({{{"type", "Ready"}, {"status", ready}}})}}}};
    };
    const auto said = [&](const json& of) { return said_by_node(of, stopped, options()); };
    EXPECT_EQ(said(nullptr)->end, End::node_lost) << "it is no more";
    EXPECT_EQ(said(node(json::object(), "Unknown"))->end, End::node_lost);
    EXPECT_FALSE(said(node(json::object(), "True"))) << "somebody deleted the pod";
    EXPECT_EQ(said(node({{"unschedulable", true}}, "True"))->end, End::preempted);
    EXPECT_THAT(said(node({{"unschedulable", true}}, "True", {{k_hold, "fan"}}))->why,
                HasSubstr("fan"));
    const auto taint = [](const char* key, const char* value) {
        return json{
            {"taints", json::array({{{"key", key}, {"value", value}, {"effect", "NoExecute"}}})}};
    };
    EXPECT_EQ(said(node(taint("broken", ""), "True"))->end, End::preempted);
    EXPECT_FALSE(said(node(taint("hpc", "true"), "True"))) << "its pods tolerate that";
    const auto forced = *read_pod(pod(k_running, {{"deletionTimestamp", "2026-01-01T00:59:59Z"},
                                                  {"deletionGracePeriodSeconds", 0}}));
    const auto ready = node(json::object(), "True");
    EXPECT_EQ(said_by_node(ready, forced, options())->end, End::cancelled);
    EXPECT_EQ(said_by_node(nullptr, forced, options())->end, End::node_lost);
}

TEST(PodLog, GoesOnWhereItWasAlsoAfterItWasRotated) {
    EXPECT_EQ(where_it_goes_on("abcdef", 3, "bc"), 3U);
    EXPECT_EQ(where_it_goes_on("abcdef", 0, ""), 0U);
    EXPECT_EQ(where_it_goes_on("defgh", 6, "def"), 3U) << "its beginning was rotated away";
    EXPECT_EQ(where_it_goes_on("xyz", 100, "abc"), 0U) << "more was lost than is known";
}

}  // namespace
}  // namespace sust::cluster::kubernetes
