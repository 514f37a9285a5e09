#include "fleet/show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/test_support.h"

namespace sust::fleet {
namespace {

using testing::IsEmpty;

class OfferedModels : public FleetTest {};

TEST_F(OfferedModels, AreToldToGatewaysWithoutAReplicaUntilTheServiceIsRemoved) {
    put_adapter("triage", "one");
    const auto made = clock.wall();
    ASSERT_TRUE(fleet->apply(said({"triage"})));
    ASSERT_TRUE(pass_until_state("ready"));
    const std::vector<serve::OfferedModel> offered{
        {.name = "tiny", .service = "demo", .created = made},
        {.name = "triage", .service = "demo", .created = made}};
    EXPECT_EQ(map().models, offered);
    ASSERT_TRUE(fleet->scale("demo", 0));
    ASSERT_TRUE(pass_until_state("idle"));
    EXPECT_THAT(map().replicas, IsEmpty());
    open();
    EXPECT_EQ(map().models, offered);
    const auto version = fleet->version();
    ASSERT_TRUE(fleet->remove("demo"));
    EXPECT_THAT(map().models, IsEmpty());
    EXPECT_GT(fleet->version(), version) << "gateways must learn of it";
}

TEST_F(OfferedModels, OfAServiceThatNeverHadAReplicaAreTold) {
    auto asleep = said();
    asleep.replicas = 0;
    const auto version = fleet->version();
    ASSERT_TRUE(fleet->apply(asleep));
    EXPECT_EQ(map().models.size(), 1U);
    EXPECT_GT(fleet->version(), version);
}

}  // namespace
}  // namespace sust::fleet
