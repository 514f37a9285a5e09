#include "core/link_proof.h"

#include <gtest/gtest.h>

namespace sust::core {
namespace {

const Secret k_secret("server secret");

TEST(LinkProof, BothSidesOfOneKeyAreSure) {
    const auto key = link_key(k_secret, "rep-1");
    const LinkServer server;
    ASSERT_EQ(server.hello().size(), k_link_hello_bytes);
    const auto client = LinkClient::answer(server.hello(), key);
    ASSERT_TRUE(client);
    ASSERT_EQ(client->claim().size(), k_link_claim_bytes);
    const auto grant = server.grant(client->claim(), key);
    ASSERT_TRUE(grant);
    ASSERT_EQ(grant->size(), k_link_grant_bytes);
    EXPECT_TRUE(client->check(*grant));
}

TEST(LinkProof, AnotherKeyIsRefusedOnEitherSide) {
    const auto ours = link_key(k_secret, "rep-1");
    const auto other = link_key(k_secret, "rep-2");
    const LinkServer server;
    const auto client = LinkClient::answer(server.hello(), other);
    EXPECT_EQ(server.grant(client->claim(), ours).error().fault, Fault::denied);
    // Somebody who took the port of a job that has ended: it can say hello, and no more.
    const auto honest = LinkClient::answer(server.hello(), ours);
    EXPECT_EQ(honest->check(*server.grant(client->claim(), other)).error().fault, Fault::denied);
    EXPECT_EQ(honest->check(honest->claim().substr(65)).error().fault, Fault::denied);
}

TEST(LinkProof, AClaimIsGoodForOneConnection) {
    const auto key = link_key(k_secret, "rep-1");
    const LinkServer first;
    const LinkServer second;
    const auto client = LinkClient::answer(first.hello(), key);
    EXPECT_TRUE(first.grant(client->claim(), key));
    EXPECT_FALSE(second.grant(client->claim(), key));
}

TEST(LinkProof, WhatIsNoRelayIsNamed) {
    const auto key = link_key(k_secret, "rep-1");
    EXPECT_EQ(LinkClient::answer("HTTP/1.1 400 Bad Request\r\n", key).error().fault,
              Fault::unavailable);
    EXPECT_FALSE(LinkServer().grant("", key));
    EXPECT_FALSE(LinkServer().grant(std::string(k_link_claim_bytes, '\n'), key));
}

}  // namespace
}  // namespace sust::core
