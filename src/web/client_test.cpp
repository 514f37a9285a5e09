#include "web/client.h"

#include <thread>

#include <gmock/gmock.h>

#include "core/event_loop.h"
#include "core/http_server.h"

namespace sust::web {
namespace {

using core::Fault;
using core::http::ExchangePtr;
using core::http::Request;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

const core::SystemClock k_clock;

// Answers by path: what a server may do to its client.
class Peer final : public core::http::Service {
  public:
    Peer() {
        server_ = std::move(
            *core::http::Server::listen_tcp(loop_, "127.0.0.1", 0, *this, {}, core::Log::silent()));
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Peer() override {
        loop_.post([this] { loop_.stop(); });
        thread_.join();
    }
    Server address() const {
        return {.base = "http://127.0.0.1:" + std::to_string(server_->port())};
    }

    core::Result<std::shared_ptr<core::http::BodySink>> open_body(const ExchangePtr&) override {
        return std::shared_ptr<core::http::BodySink>();
    }
    void handle(const ExchangePtr& exchange) override {
        const auto& request = exchange->request();
        if (request.target == "/echo") {
            const auto said = request.headers.get("X-Said").value_or("");
            exchange->respond({.headers = {{"X-Heard", std::string(said)}},
                               .body = request.method + " " + request.body});
        } else if (request.target == "/large") {
            exchange->respond({.body = std::string(100'000, 'x')});
        } else if (request.target == "/refused") {
            exchange->respond({.status = 403, .body = "no"});
        } else {  // a first word, and then nothing for ever
            exchange->stream({});
            exchange->send("word");
            silent_.push_back(exchange);
        }
    }

  private:
    core::EventLoop loop_{k_clock, 1};
    std::unique_ptr<core::http::Server> server_;
    std::vector<ExchangePtr> silent_;
    std::thread thread_;
};

TEST(WebClient, SendsABodyAndHeadersAndHearsTheAnswer) {
    const Peer peer;
    Client client(k_clock);
    const Request request{
        .method = "PATCH", .target = "/echo", .headers = {{"X-Said", "a b"}}, .body = "body"};
    for (int i = 0; i < 2; ++i) {  // the second over the connection of the first
        const auto answer = client.send(peer.address(), request, {});
        ASSERT_TRUE(answer) << core::to_string(answer.error());
        EXPECT_EQ(answer->status, 200);
        EXPECT_EQ(answer->body, "PATCH body");
        EXPECT_EQ(answer->headers.get("x-heard"), "a b");
    }
}

TEST(WebClient, BoundsWhatItTakes) {
    const Peer peer;
    Client client(k_clock);
    const auto answer = client.send(peer.address(), {.target = "/large"}, {.max_bytes = 1000});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().fault, Fault::too_large);
}

TEST(WebClient, AnAnswerThatDoesNotEndIsATimeoutAndAServerThatIsAwayUnavailable) {
    Client client(k_clock);
    Server gone;
    {
        const Peer peer;
        gone = peer.address();
        const auto late = client.send(peer.address(), {.target = "/hangs"}, {.within = 200ms});
        ASSERT_FALSE(late);
        EXPECT_EQ(late.error().fault, Fault::timeout);
        const auto silent = client.send(peer.address(), {.target = "/hangs"}, {.stall = 100ms});
        ASSERT_FALSE(silent);
        EXPECT_THAT(silent.error().message, HasSubstr("no word in 100ms"));
    }
    const auto away = client.send(gone, {}, {.within = 2s});
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().fault, Fault::unavailable);
    EXPECT_THAT(away.error().message, HasSubstr(gone.base));
}

TEST(WebClient, HandsPiecesOnAsTheyComeUntilTheCallerHasEnoughAndKeepsARefusalWhole) {
    const Peer peer;
    Client client(k_clock);
    std::string heard;
    const auto take = [&](std::string_view piece) {
        heard += piece;
        return false;
    };
    const auto answer = client.stream(peer.address(), {.target = "/hangs"}, {}, take);
    ASSERT_TRUE(answer) << core::to_string(answer.error());
    EXPECT_EQ(heard, "word");
    const auto refused = client.stream(peer.address(), {.target = "/refused"}, {}, take);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, 403);
    EXPECT_EQ(refused->body, "no");
    EXPECT_EQ(heard, "word");
}

TEST(WebClient, StopEndsWhatIsUnderWay) {
    const Peer peer;
    Client client(k_clock);
    std::thread stopper;
    const auto answer =
        client.stream(peer.address(), {.target = "/hangs"}, {.within = 60s}, [&](std::string_view) {
            stopper = std::thread([&client] { client.stop(); });
            return true;
        });
    stopper.join();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().fault, Fault::unavailable);
}

TEST(WebClient, RefusesWhatIsNoAddressAndWhatIsNoCertificate) {
    Client client(k_clock);
    for (const auto* base : {"ftp://127.0.0.1", "file:///etc/passwd", "https://"}) {
        const auto answer = client.send({.base = base}, {}, {.within = 2s});
        ASSERT_FALSE(answer) << base;
        EXPECT_EQ(answer.error().fault, Fault::invalid) << base;
    }
    const Server odd{.base = "https://127.0.0.1:1", .tls = {.certificate = "no certificate"}};
    EXPECT_FALSE(client.send(odd, {}, {.within = 2s}));
}

}  // namespace
}  // namespace sust::web
