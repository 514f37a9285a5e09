#include "cluster/kubernetes/shape.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cluster/kubernetes/choice.h"
#include "cluster/kubernetes/discovery.h"
#include "cluster/kubernetes/manifest.h"
#include "cluster/kubernetes/objects.h"

namespace sust::cluster::kubernetes {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

const Path k_shipped = Path(SUST_SOURCE_DIR) / "shapes";

constexpr std::string_view k_small = R"(format = 1
kind = "Gang"
group = "example.org"
version = "v1"
resource = "gangs"
rank = "metadata.labels['example.org/rank']"
[object.spec]
size = "${nodes}"
title = "${name} of ${nodes}"
limit = "${deadline_seconds}"
[[object.spec.parts]]
template = "${pod}"
)";

KubernetesOptions shaped_options() {
    KubernetesOptions options{.name = "rke2"};
    options.agent_image = "agent:1";
    options.image = "base:1";
    options.shapes = *load_shapes({k_shipped});
    return options;
}

Order two_nodes(std::string token = "job-1") {
    JobSpec spec{.token = {std::move(token)}, .name = "n", .argv = {"true"}};
    spec.shape.nodes = 2;
    return {.spec = std::move(spec), .epoch = 3, .controller = "sust-c"};
}

json rendered(const std::string& name, const Order& order, const KubernetesOptions& options) {
    const auto* shape = find_shape(options.shapes, name);
    return fill(*shape,
                {.name = shaped_name(order.spec.token, order.epoch),
                 .nodes = order.spec.shape.nodes,
                 .deadline_seconds = deadline_seconds(order.spec, options)},
                pod_template(order, *shape, options), shaped_metadata(order, options));
}

std::string broken(std::string_view what, std::string_view with) {
    std::string text(k_small);
    return text.replace(text.find(what), what.size(), with);
}

TEST(ShapeFile, WhatIsWrongIsToldWithFileAndLine) {
    struct Case {
        std::string text;
        std::string where;
        std::string message;
    };
    const std::vector<Case> cases = {
        {broken("format = 1", "format = 2"), "f:1:", "format 2"},
        {broken("\"example.org\"", "\"a/../b\""), "f:3:", "no group"},
        {broken("\"gangs\"", "\"a/b\""), "f:5:", "no resource"},
        {broken("metadata.labels['example.org/rank']", "spec.rank"), "f:6:", "a rank is in"},
        {broken("size = ", "size.deep = [1, \"${node}\"]\nother = "), "f:8:", "${node}"},
        {broken("${name} of", "${name of"), "f:9:", "there is no"},
        {broken("\"${pod}\"", "\"a ${pod}\""), "f:12:", "no part of a text"},
        {broken("size = ", "args = [[{x=\"${oops\"}]]\nsize = "), "f:8:", "there is no ${"},
        {broken("size = ", "args = [\"a\", {x=\"${oops\"}]\nsize = "), "f:8:", "there is no ${"},
        {broken("size = ", "args = " + std::string(22, '[') + "\"${oops\"" + std::string(22, ']') +
                               "\nsize = "),
         "f:8:", "too deep"},
        {broken("\"${pod}\"", "1"), "f:7:", "has no ${pod}"},
        {broken("[object.spec]", "[object]\nkind = \"Pod\"\n[object.spec]"), "f:8:", "kind"},
        {broken("[object.spec]", "[pod]\ncontainers = []\n[object.spec]"), "f:7:", "containers"},
        {broken("[object.spec]", "without = [\"volumes\"]\n[object.spec]"), "f:7:", "volumes"},
        {broken("[object.spec]", "sever = \"1.22\"\n[object.spec]"), "f:7:", "sever"},
        {broken("[object.spec]", "server = \"2\"\n[object.spec]"), "f:7:", "no version"},
        {broken("kind =", "kind"), "f:2:", ""},
    };
    for (const auto& one : cases) {
        const auto shape = parse_shape(one.text, "gang", "f");
        ASSERT_FALSE(shape) << one.text;
        EXPECT_EQ(shape.error().fault, core::Fault::invalid) << core::to_string(shape.error());
        EXPECT_THAT(shape.error().where, testing::StartsWith(one.where))
            << core::to_string(shape.error());
        EXPECT_THAT(shape.error().message, HasSubstr(one.message));
    }
    EXPECT_EQ(parse_shape(std::string(100'000, '\n'), "gang", "f").error().fault,
              core::Fault::too_large);
}

TEST(ShapeFile, BlanksBecomeValuesOfTheirOwnType) {
    const auto shape = parse_shape(k_small, "gang", "f");
    ASSERT_TRUE(shape) << core::to_string(shape.error());
    const auto object =
        fill(*shape, {.name = "j", .nodes = 4, .deadline_seconds = 60},
             {{"spec", {{"a", "${name}"}}}}, {{"name", "j"}, {"labels", {{"l", "1"}}}});
    EXPECT_EQ(object["apiVersion"], "example.org/v1");
    EXPECT_EQ(object["kind"], "Gang");
    EXPECT_EQ(object["metadata"]["name"], "j");
    EXPECT_EQ(object["spec"]["size"], 4);
    EXPECT_EQ(object["spec"]["title"], "j of 4");
    EXPECT_EQ(object["spec"]["limit"], 60);
    EXPECT_EQ(object["spec"]["parts"][0]["template"]["spec"]["a"], "${name}")
        << "what a job says is no template";
}

TEST(ShapeFile, AFileOfTheSiteHasPrecedence) {
    const auto folder = core::TemporaryDirectory::create("/tmp", "shapes");
    ASSERT_TRUE(core::write_file(folder->path() / "job_set.toml", k_small));
    ASSERT_TRUE(core::write_file(folder->path() / "gang.toml", k_small));
    const auto shapes = load_shapes({folder->path(), k_shipped, "/no/such/folder"});
    ASSERT_TRUE(shapes) << core::to_string(shapes.error());
    EXPECT_EQ(names_of(*shapes), "pods, auto, gang, indexed_job, job_set, leader_worker_set");
    EXPECT_EQ(find_shape(*shapes, "job_set")->kind, "Gang");
    ASSERT_TRUE(core::write_file(folder->path() / "gang.toml", "format = 9"));
    const auto wrong = load_shapes({folder->path()});
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().where, HasSubstr("gang.toml:1:"));
    ASSERT_TRUE(core::write_file(folder->path() / "pods.toml", k_small));
    std::filesystem::remove(folder->path() / "gang.toml");
    EXPECT_THAT(core::to_string(load_shapes({folder->path()}).error()), HasSubstr("pods.toml"));
}

TEST(Shape, EveryPodKnowsTheAttemptAndWhereItsRankIs) {
    const auto options = shaped_options();
    struct Case {
        std::string name;
        json::json_pointer pod;
        json::json_pointer count;
    };
    for (const auto& one :
         {Case{"indexed_job", "/spec/template"_json_pointer, "/spec/completions"_json_pointer},
          Case{"job_set", "/spec/replicatedJobs/0/template/spec/template"_json_pointer,
               "/spec/replicatedJobs/0/template/spec/parallelism"_json_pointer},
          Case{"leader_worker_set", "/spec/leaderWorkerTemplate/workerTemplate"_json_pointer,
               "/spec/leaderWorkerTemplate/size"_json_pointer}}) {
        const auto object = rendered(one.name, two_nodes(), options);
        EXPECT_EQ(object["metadata"]["name"], "sust-job-1-3");
        EXPECT_EQ(object["metadata"]["labels"][k_managed_by], "sust");
        EXPECT_EQ(object["metadata"]["labels"][k_job], "job-1");
        EXPECT_EQ(object.at(one.count), 2) << one.name;
        const auto& pod = object.at(one.pod);
        EXPECT_FALSE(pod["metadata"].contains("name"));
        EXPECT_EQ(pod["metadata"]["labels"][k_job], "job-1");
        EXPECT_EQ(pod["metadata"]["labels"][k_epoch], "3");
        EXPECT_EQ(pod["metadata"]["labels"][k_controller], "sust-c");
        EXPECT_EQ(pod["metadata"]["labels"][k_shape], one.name);
        EXPECT_FALSE(pod["metadata"]["labels"].contains(k_rank));
        EXPECT_EQ(pod["metadata"]["finalizers"], json::array({k_finalizer}));
        const auto& rank = pod["spec"]["containers"][0]["env"][1];
        EXPECT_EQ(rank["name"], "SUST_NODE_RANK");
        EXPECT_EQ(rank["valueFrom"]["fieldRef"]["fieldPath"],
                  pod["metadata"]["annotations"][k_rank_path]);
    }
}

TEST(Shape, OnlyALeaderWorkerSetHasPodsThatAreStartedAgain) {
    const auto options = shaped_options();
    const auto job = rendered("indexed_job", two_nodes(), options);
    EXPECT_EQ(job["spec"]["backoffLimit"], 0);
    EXPECT_EQ(job["spec"]["completionMode"], "Indexed");
    EXPECT_EQ(job["spec"]["template"]["spec"]["restartPolicy"], "Never");
    EXPECT_TRUE(job["spec"]["template"]["spec"].contains("activeDeadlineSeconds"));
    const auto set = rendered("job_set", two_nodes(), options);
    EXPECT_EQ(set["spec"]["failurePolicy"]["maxRestarts"], 0);
    EXPECT_EQ(set["spec"]["replicatedJobs"][0]["template"]["spec"]["backoffLimit"], 0);
    const auto lws = rendered("leader_worker_set", two_nodes(), options);
    const auto& pod = lws["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"];
    EXPECT_EQ(pod["restartPolicy"], "Always");
    EXPECT_FALSE(pod.contains("activeDeadlineSeconds"));
    EXPECT_EQ(lws["spec"]["leaderWorkerTemplate"]["restartPolicy"], "None");
}

TEST(Shape, AQueueIsOfTheObjectAndNotOfItsPods) {
    auto order = two_nodes();
    order.spec.queue = "team";
    const auto object = rendered("indexed_job", order, shaped_options());
    EXPECT_EQ(object["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], "team");
    EXPECT_THAT(object["spec"]["template"].dump(), testing::Not(HasSubstr("kueue")));
}

// What controllers make of it, "NAME-node-0-99999", is a host's name: 63 characters.
TEST(Shape, TheNameFollowsFromTokenAndEpochAndIsShort) {
    EXPECT_EQ(shaped_name({"job-1"}, 3), "sust-job-1-3");
    const Token longest{std::string(63, 'a')};
    EXPECT_LE(shaped_name(longest, 9999).size(), 63U - std::string("-node-0-99999").size());
    EXPECT_NE(shaped_name(longest, 1), shaped_name({std::string(62, 'a')}, 1));
    EXPECT_NE(shaped_name({"a.b"}, 1), shaped_name({"a_b"}, 1));
}

TEST(Shape, APodOfAControllerIsReadWithItsRank) {
    const auto options = shaped_options();
    auto pod = pod_template(two_nodes(), *find_shape(options.shapes, "leader_worker_set"), options);
    pod["metadata"]["name"] = "sust-job-1-3-0-1";
    pod["metadata"]["uid"] = "u";
    EXPECT_FALSE(read_pod(pod)) << "its rank is not known yet";
    pod["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/worker-index"] = "1";
    const auto read = read_pod(pod);
    ASSERT_TRUE(read) << core::to_string(read.error());
    EXPECT_EQ(read->rank, 1);
    EXPECT_EQ(read->shape, "leader_worker_set");
    for (const auto* path : {"metadata.labels['x']", "metadata.labels[", "spec.nodeName", ""}) {
        pod["metadata"]["annotations"][k_rank_path] = path;
        EXPECT_FALSE(read_pod(pod)) << path;
    }
}

// The first end is the attempt's; a container that was started again only waits.
TEST(Shape, AContainerThatWasStartedAgainHasEnded) {
    const auto options = shaped_options();
    auto pod = pod_template(two_nodes(), *find_shape(options.shapes, "leader_worker_set"), options);
    pod["metadata"].update({{"name", "p"}, {"uid", "u"}});
    pod["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/worker-index"] = "0";
    const auto word = exit_text({.token = {"job-1"}, .epoch = 3, .status = 4});
    pod["status"] = {
        {"phase", "Running"},
        {"containerStatuses",
         json::array({{{"name", "main"},
                       {"state", {{"running", {{"startedAt", "2026-01-01T00:00:09Z"}}}}},
                       {"lastState", {{"terminated", {{"exitCode", 4}, {"message", word}}}}}}})}};
    const auto end = end_of(*read_pod(pod), {});
    ASSERT_TRUE(end);
    ASSERT_TRUE(end->word);
    EXPECT_EQ(end->word->status, 4);
}

json api(const char* resource) {
    return {{"resources", json::array({{{"name", resource}}})}};
}

TEST(Discovery, AnOldServerHasJobsAndNoIndexedOnes) {
    const auto options = shaped_options();
    const auto& shape = *find_shape(options.shapes, "indexed_job");
    const auto version = [](const char* minor) { return json{{"major", "1"}, {"minor", minor}}; };
    EXPECT_EQ(what_is_missing(shape, version("22+"), api("jobs")), "");
    EXPECT_THAT(what_is_missing(shape, version("20"), api("jobs")), HasSubstr("needs 1.22"));
    EXPECT_THAT(what_is_missing(shape, {{"gitVersion", "v1.20.2"}}, api("jobs")),
                HasSubstr("is Kubernetes 1.20"));
    EXPECT_THAT(what_is_missing(shape, version("32"), api("cronjobs")), HasSubstr("no jobs of"));
    for (const auto& strange :
         {json(), json::array({1}), json{{"resources", 1}}, json{{"resources", {{{"name", 7}}}}}}) {
        EXPECT_NE(what_is_missing(shape, strange, strange), "");
    }
}

TEST(Discovery, AutoTakesWhatIsThereAndAnythingElseIsRefusedWithTheNextStep) {
    auto options = shaped_options();
    const auto chosen = [&](const std::string& wanted, std::map<std::string, std::string> missing) {
        return choose_shape(wanted, options, {.server = "1.32", .missing = std::move(missing)});
    };
    EXPECT_EQ((*chosen("auto", {}))->name, "job_set");
    EXPECT_EQ((*chosen("auto", {{"job_set", "no"}}))->name, "indexed_job");
    EXPECT_EQ(*chosen("auto", {{"job_set", "no"}, {"indexed_job", "no"}}), nullptr)
        << "a LeaderWorkerSet is only taken where somebody says so";
    EXPECT_EQ(*chosen("pods", {}), nullptr);
    EXPECT_EQ((*chosen("leader_worker_set", {}))->name, "leader_worker_set");
    const auto refused = chosen("job_set", {{"job_set", "it has no jobsets"}});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("rke2 cannot run jobs as job_set: it has no"));
    EXPECT_THAT(refused.error().hint, HasSubstr("install JobSet"));
    JobSpec spec;
    spec.options["shape"] = "jobset";
    const auto unknown = check_shape(spec, options);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().where, "options.shape");
    EXPECT_THAT(unknown.error().hint, HasSubstr("job_set"));
    spec.options["shape"] = "job_set";
    EXPECT_EQ(wanted_shape(spec, options), "job_set");
    EXPECT_EQ(wanted_shape({}, options), "pods");
}

TEST(Envelope, AnObjectSaysWhyThereAreNoPods) {
    const auto options = shaped_options();
    const auto& shape = *find_shape(options.shapes, "indexed_job");
    auto object = rendered("indexed_job", two_nodes(), options);
    EXPECT_EQ(read_envelope(object, shape)->second.waits, "");
    object["spec"]["suspend"] = true;
    EXPECT_EQ(read_envelope(object, shape)->second.waits, "it is suspended");
    object["status"]["conditions"] =
        json::array({{{"type", "Failed"}, {"status", "True"}, {"reason", "BackoffLimitExceeded"}},
                     {{"type", "Suspended"}, {"status", "False"}},
                     7});
    const auto read = read_envelope(object, shape);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->first, std::pair(Token{"job-1"}, std::int64_t{3}));
    EXPECT_THAT(read->second.failed, HasSubstr("BackoffLimitExceeded"));
    object["metadata"]["name"] = "another";
    EXPECT_FALSE(read_envelope(object, shape)) << "our labels on what is not ours";
    EXPECT_FALSE(read_envelope(json::array(), shape));
    EXPECT_FALSE(read_envelope({{"metadata", json::array()}}, shape));
}

}  // namespace
}  // namespace sust::cluster::kubernetes
