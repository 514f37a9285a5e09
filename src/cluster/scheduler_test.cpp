#include "cluster/scheduler.h"

#include <gmock/gmock.h>

#include "cluster/fake_scheduler.h"

namespace sust::cluster {
namespace {

using ::testing::HasSubstr;

class Able final : public FakeScheduler {
  public:
    std::set<Capability> able;
    std::set<Capability> capabilities() const override { return able; }
};

TEST(Capabilities, WhatABackEndCannotDoIsRefusedByTheNameOfTheField) {
    const std::vector<std::tuple<std::string, Capability, std::function<void(JobSpec&)>>> cases = {
        {"nodes", Capability::several_nodes, [](JobSpec& spec) { spec.shape.nodes = 2; }},
        {"tasks_per_node", Capability::several_tasks,
         [](JobSpec& spec) { spec.shape.tasks_per_node = 2; }},
        {"gpus", Capability::gpus, [](JobSpec& spec) { spec.shape.gpus.count = 1; }},
        {"memory", Capability::memory_limits,
         [](JobSpec& spec) { spec.shape.memory_bytes = 1 << 20; }},
        {"notice", Capability::notice, [](JobSpec& spec) { spec.notice = Duration(1000); }},
        {"partition", Capability::partitions, [](JobSpec& spec) { spec.partition = "p"; }},
        {"account", Capability::partitions, [](JobSpec& spec) { spec.account = "a"; }},
        {"queue", Capability::partitions, [](JobSpec& spec) { spec.queue = "q"; }},
        {"principal", Capability::principals, [](JobSpec& spec) { spec.principal = "alice"; }},
    };
    for (const auto& [field, capability, ask] : cases) {
        Able back_end;
        JobSpec spec{.token = {"t"}, .argv = {"true"}};
        EXPECT_TRUE(check_capabilities(spec, back_end));
        ask(spec);
        const auto refused = check_capabilities(spec, back_end);
        ASSERT_FALSE(refused) << field;
        EXPECT_EQ(refused.error().where, field);
        EXPECT_THAT(refused.error().message, HasSubstr(to_string(capability)));
        back_end.able = {capability};
        EXPECT_TRUE(check_capabilities(spec, back_end)) << field;
    }
}

}  // namespace
}  // namespace sust::cluster
