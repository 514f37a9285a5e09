// What a real API server does not do on demand: 429, a list that was forgotten between its pages, a
// watch that ends in the middle of an event. Everything else is tested against a real one.

#include "cluster/kubernetes/client.h"

#include <deque>
#include <thread>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "core/event_loop.h"
#include "core/http_server.h"

namespace sust::cluster::kubernetes {
namespace {

using core::Fault;
using core::http::ExchangePtr;
using core::http::Response;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

const core::SystemClock k_clock;

// Answers in order, and remembers what was asked.
class Server final : public core::http::Service {
  public:
    explicit Server(std::deque<Response> answers) : answers_(std::move(answers)) {
        server_ = std::move(
            *core::http::Server::listen_tcp(loop_, "127.0.0.1", 0, *this, {}, core::Log::silent()));
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Server() override {
        loop_.post([this] { loop_.stop(); });
        thread_.join();
    }
    Access access() const {
        return {.origin = "test",
                .server = {.base = "http://127.0.0.1:" + std::to_string(server_->port())},
                .token = core::Secret("t"),
                .impersonation = {.user = "alice", .groups = {"g"}}};
    }
    // After the client has its answers.
    const std::vector<core::http::Request>& asked() const { return asked_; }

    core::Result<std::shared_ptr<core::http::BodySink>> open_body(const ExchangePtr&) override {
        return std::shared_ptr<core::http::BodySink>();
    }
    void handle(const ExchangePtr& exchange) override {
        asked_.push_back(exchange->request());
        if (answers_.empty()) {
            exchange->respond({.status = 500, .body = "nothing more is known"});
            return;
        }
        exchange->respond(std::move(answers_.front()));
        answers_.pop_front();
    }

  private:
    core::EventLoop loop_{k_clock, 1};
    std::deque<Response> answers_;
    std::vector<core::http::Request> asked_;
    std::unique_ptr<core::http::Server> server_;
    std::thread thread_;
};

Response refusal(int status, const std::string& message) {
    return {.status = status, .body = json{{"kind", "Status"}, {"message", message}}.dump()};
}
Response page(const std::vector<std::string>& names, const std::string& next) {
    json items = json::array();
    for (const auto& name : names) {
        items.push_back({{"metadata", {{"name", name}}}});
    }
    return {.body = json{
                {"metadata", {{"continue", next}, {"resourceVersion", "9"}}},
                {"items",
                 items}}.dump()};
}

TEST(KubernetesClient, ComesAgainWhenItIsToldToAndSaysWhoAsks) {
    auto busy = refusal(429, "too many requests");
    busy.headers.set("Retry-After", "0");
    const Server server({busy, busy, {.body = R"({"a":1})"}});
    Credentials credentials(server.access(), {}, k_clock);
    Client client(credentials, k_clock, 10s);
    const auto answer = client.get("/x", {{"labelSelector", "a=b"}});
    ASSERT_TRUE(answer) << core::to_string(answer.error());
    EXPECT_EQ(server.asked().size(), 3U);
    const auto& asked = server.asked().back();
    EXPECT_EQ(asked.target, "/x?labelSelector=a%3Db");
    EXPECT_EQ(asked.headers.get("Authorization"), "Bearer t");
    EXPECT_EQ(asked.headers.get("Impersonate-User"), "alice");
    EXPECT_EQ(asked.headers.get("Impersonate-Group"), "g");
}

TEST(KubernetesClient, DoesNotComeAgainForEverNorWaitAsLongAsAServerLikes) {
    auto busy = refusal(429, "too many requests");
    busy.headers.set("Retry-After", "3600");
    const Server server({busy, busy});
    Credentials credentials(server.access(), {}, k_clock);
    Client client(credentials, k_clock, 2s);
    const auto answer = client.create("/x", {{"b", 2}});
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().message, HasSubstr("429 too many requests"));
    EXPECT_EQ(server.asked().size(), 1U);
}

TEST(KubernetesClient, WhatAServerRefusesSaysWhatTheCallerDoes) {
    EXPECT_EQ(refusal_of(403, R"({"message":"exceeded quota: q"})", "POST").fault,
              Fault::exhausted);
    EXPECT_EQ(refusal_of(403, R"({"message":"pods is forbidden"})", "POST").fault, Fault::denied);
    EXPECT_EQ(refusal_of(404, "{}", "GET").fault, Fault::not_found);
    EXPECT_EQ(refusal_of(409, "{}", "POST").fault, Fault::conflict);
    EXPECT_EQ(refusal_of(422, "{}", "POST").fault, Fault::invalid);
    EXPECT_THAT(refusal_of(500, "<html>", "GET /x").message, HasSubstr("<html>"));
}

TEST(KubernetesClient, AnEvictionIsAskedForOnceAndTellsWhichBudgetForbidsIt) {
    auto budget =
        Response{.status = 429, .body = R"({"message":"Cannot evict pod","details":{"causes":[
            {"reason":"DisruptionBudget","message":"The disruption budget b needs 1"}]}})"};
    budget.headers.set("Retry-After", "3");
    const Server server({budget, refusal(404, "gone"), refusal(403, "no right"), {.body = "{}"}});
    Credentials credentials(server.access(), {}, k_clock);
    Client client(credentials, k_clock, 10s);
    const auto refused = client.evict("/p", {{"kind", "Eviction"}});
    EXPECT_FALSE(refused.taken);
    EXPECT_THAT(refused.why, HasSubstr("429 Cannot evict pod The disruption budget b needs 1"));
    EXPECT_EQ(refused.again, 3s);
    EXPECT_EQ(server.asked().size(), 1U);
    EXPECT_EQ(server.asked().back().target, "/p/eviction");
    EXPECT_TRUE(client.evict("/p", {}).taken) << "it is gone";
    EXPECT_THAT(client.evict("/p", {}).why, HasSubstr("role"));
    EXPECT_TRUE(client.evict("/p", {}).taken);
}

TEST(KubernetesClient, AListThatWasForgottenBetweenItsPagesBeginsAgain) {
    const Server server(
        {page({"a"}, "next"), refusal(410, "expired"), page({"b"}, "next"), page({"c"}, "")});
    Credentials credentials(server.access(), {}, k_clock);
    Client client(credentials, k_clock, 10s);
    std::vector<std::string> found;
    const auto version = client.list(
        "/x", {}, [&] { found.clear(); },
        [&](const json& item) { found.push_back(item["metadata"]["name"]); });
    ASSERT_TRUE(version) << core::to_string(version.error());
    EXPECT_EQ(*version, "9");
    EXPECT_THAT(found, ElementsAre("b", "c"));
    EXPECT_THAT(server.asked().back().target, HasSubstr("continue=next"));
}

std::string event(const std::string& type, const std::string& version, int code = 0) {
    return json{{"type", type},
                {"object", {{"metadata", {{"resourceVersion", version}}}, {"code", code}}}}
               .dump() +
           "\n";
}

TEST(KubernetesClient, AWatchFollowsBookmarksAndTellsWhatWasForgotten) {
    const Server server({{.body = event("ADDED", "5") + event("BOOKMARK", "7") + "{\"type\":"},
                         {.body = event("ERROR", "", 410)},
                         refusal(410, "too old"),
                         refusal(403, "no"),
                         {.body = "no event\n"}});
    Credentials credentials(server.access(), {}, k_clock);
    Client client(credentials, k_clock, 10s);
    std::string version = "1";
    std::vector<std::string> types;
    const auto watch = [&] {
        return client.watch("/x", {}, version, 10s,
                            [&](std::string_view type, const json&) { types.emplace_back(type); });
    };
    EXPECT_EQ(*watch(), WatchEnd::ended);
    EXPECT_EQ(version, "7");
    EXPECT_THAT(types, ElementsAre("ADDED", "BOOKMARK"));
    EXPECT_EQ(*watch(), WatchEnd::gone);
    EXPECT_THAT(server.asked().back().target, HasSubstr("resourceVersion=7"));
    EXPECT_EQ(*watch(), WatchEnd::gone);
    EXPECT_EQ(watch().error().fault, Fault::denied);
    EXPECT_FALSE(watch());
}

TEST(KubernetesClient, WhatIsNoApiServerIsToldAsThat) {
    const Server server({{.body = "<html>welcome</html>"}});
    Credentials credentials(server.access(), {}, k_clock);
    Client client(credentials, k_clock, 10s);
    const auto answer = client.get("/version");
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().hint, HasSubstr("Kubernetes API server"));
}

}  // namespace
}  // namespace sust::cluster::kubernetes
