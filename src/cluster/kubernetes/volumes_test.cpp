#include "cluster/kubernetes/volumes.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace sust::cluster::kubernetes {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

KubernetesOptions options() {
    KubernetesOptions options{.name = "rke2"};
    options.book.jobs = "/scratch/sust";
    options.volumes = {{"/scratch", "host"}, {"/data", "claim:data"}};
    return options;
}

JobSpec reader() {
    JobSpec spec{.token = {"job-1"}, .name = "n", .argv = {"true"}};
    spec.inputs = {{"far", "/far"}, {"near", "in/near"}};
    return spec;
}

TEST(Files, InputsAreMountedReadOnlyWhereTheWrapperAndTheCommandLook) {
    const auto spec = reader();
    ASSERT_TRUE(check_files(spec, options()));
    const auto mounts = shared_mounts(spec, options());
    ASSERT_THAT(mounts, SizeIs(2));
    EXPECT_EQ(mounts[0]["mountPath"], "/sust/jobs/job-1/inputs");
    EXPECT_EQ(mounts[0]["subPath"], "sust/job-1/inputs");
    EXPECT_EQ(mounts[0]["readOnly"], true);
    EXPECT_EQ(mounts[1]["mountPath"], "/far");
    EXPECT_EQ(mounts[1]["subPath"], "sust/job-1/inputs/far");
    EXPECT_THAT(shared_volumes(spec, options()), SizeIs(1));
    EXPECT_THAT(shared_volumes(JobSpec{.token = {"job-2"}}, options()), IsEmpty());
}

TEST(Files, WhatPodsDoNotSeeIsRefusedWithTheNextStep) {
    auto elsewhere = options();
    elsewhere.book.jobs = "/var/lib/sust";
    EXPECT_FALSE(sees_jobs(elsewhere));
    const auto refused = check_files(reader(), elsewhere);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().where, "input");
    EXPECT_THAT(refused.error().message, HasSubstr("cannot do files"));
    EXPECT_THAT(refused.error().hint, HasSubstr("[backend.rke2.volumes]"));
    EXPECT_TRUE(check_files(JobSpec{.token = {"job-2"}}, elsewhere));
}

TEST(Files, OutputsNeedAWorkingDirectoryThatStays) {
    JobSpec spec{.token = {"job-1"}, .name = "n", .argv = {"true"}};
    spec.outputs = {"out"};
    for (const auto* workdir : {"", "/tmp/work"}) {
        spec.workdir = workdir;
        const auto refused = check_files(spec, options());
        ASSERT_FALSE(refused) << workdir;
        EXPECT_THAT(refused.error().hint, HasSubstr("say a workdir"));
    }
    spec.workdir = "/data/work";
    EXPECT_TRUE(check_files(spec, options()));
}

}  // namespace
}  // namespace sust::cluster::kubernetes
