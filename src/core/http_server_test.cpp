#include "core/http_server.h"

#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/http_client.h"
#include "core/listen.h"

namespace sust::core::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class CountingSink final : public BodySink {
  public:
    std::size_t bytes = 0;
    Result<void> write(std::string_view piece) override {
        bytes += piece.size();
        if (piece.find('!') != std::string_view::npos) {
            return fail(Fault::conflict, "an exclamation mark");
        }
        return {};
    }
};

// Answers by the path: what the tests need of a handler.
class ToyService final : public Service {
  public:
    explicit ToyService(EventLoop& loop) : loop_(loop) {}

    Result<std::shared_ptr<BodySink>> open_body(const ExchangePtr& exchange) override {
        const auto& target = exchange->request().target;
        if (target == "/unwanted") {
            return fail(Fault::denied, "not wanted");
        }
        if (target == "/sink") {
            return sink = std::make_shared<CountingSink>();
        }
        return std::shared_ptr<BodySink>();
    }

    void handle(const ExchangePtr& exchange) override {
        const auto& target = exchange->request().target;
        exchange->on_gone([this] { ++gone; });
        if (target == "/echo") {
            exchange->respond(json_response(200, exchange->request().body));
        } else if (target == "/sink") {
            exchange->respond(json_response(201, std::to_string(sink->bytes)));
        } else if (target == "/uid") {
            exchange->respond(json_response(200, std::to_string(exchange->peer().uid)));
        } else if (target.starts_with("/file")) {
            exchange->respond_file({}, file);
        } else if (target == "/stream") {
            exchange->stream({.headers = {{"Content-Type", "text/event-stream"}}});
            EXPECT_TRUE(exchange->send("one "));
            loop_.post([exchange] {
                exchange->send("two");
                exchange->end();
            });
        } else if (target == "/flood") {
            exchange->stream({});
            flood(exchange);
        } else if (target == "/throw") {
            throw std::runtime_error("oops");
        } else {
            held = exchange;  // never answered
        }
    }

    std::shared_ptr<CountingSink> sink;
    ExchangePtr held;
    Path file;
    std::atomic<int> gone = 0;
    std::atomic<bool> flood_refused = false;

  private:
    void flood(const ExchangePtr& exchange) {
        if (exchange->send(std::string(64 << 10, 'x'))) {
            loop_.post([this, exchange] { flood(exchange); });
        } else {
            flood_refused = true;
        }
    }
    EventLoop& loop_;
};

class HttpServer : public testing::Test {
  protected:
    void start(ServerOptions options = {}) {
        server_ = Server::listen_unix(loop_, socket_, service_, options, Log::silent()).value();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~HttpServer() override {
        if (thread_.joinable()) {
            loop_.post([this] {
                service_.held.reset();
                server_.reset();
                loop_.post([this] { loop_.stop(); });
            });
            thread_.join();
        }
    }

    Client client() { return {clock_, UnixAddress{socket_}}; }
    Response get(const std::string& target) {
        return client().send({.target = target}, 10s).value();
    }
    // Sends raw bytes; collects what comes back until the server ends or nothing comes for long.
    std::string raw(std::string_view bytes) {
        const auto fd = connect_unix_socket(socket_).value();
        EXPECT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
        return drain(fd.get());
    }
    static std::string drain(int fd) {
        std::string all;
        char piece[4096];
        while (true) {
            pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
            if (::poll(&entry, 1, 10'000) != 1) {
                return all + "(no end)";
            }
            const auto count = ::recv(fd, piece, sizeof piece, 0);
            if (count <= 0) {
                return all;
            }
            all.append(piece, static_cast<std::size_t>(count));
        }
    }
    template <class Condition>
    static bool soon(Condition condition) {
        for (int i = 0; i < 1000; ++i) {
            if (condition()) {
                return true;
            }
            std::this_thread::sleep_for(10ms);
        }
        return false;
    }

    SystemClock clock_;
    TemporaryDirectory directory_ = TemporaryDirectory::create(testing::TempDir(), "http").value();
    Path socket_ = directory_.path() / "s.sock";
    EventLoop loop_{clock_};
    ToyService service_{loop_};
    std::unique_ptr<Server> server_;
    std::thread thread_;
};

TEST_F(HttpServer, AnswersManyRequestsOnOneConnection) {
    start();
    auto asker = client();
    for (int i = 0; i < 50; ++i) {
        const auto body = "{\"i\":" + std::to_string(i) + "}";
        const auto answer = asker.send({.method = "POST", .target = "/echo", .body = body}, 10s);
        ASSERT_TRUE(answer) << to_string(answer.error());
        EXPECT_EQ(answer->body, body);
        EXPECT_THAT(std::string(answer->headers.get("X-Request-Id").value()), StartsWith("req-"));
    }
}

TEST_F(HttpServer, KnowsWhoAsks) {
    start();
    EXPECT_EQ(get("/uid").body, std::to_string(::getuid()));
}

TEST_F(HttpServer, TheSocketIsTheOwnersAlone) {
    start();
    struct stat status {};
    ASSERT_EQ(::stat(socket_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(HttpServer, ABodyOverTheLimitIs413) {
    start({.max_body_bytes = 1000});
    const std::string body(1001, 'x');
    auto asker = client();
    EXPECT_EQ(asker.send({.method = "POST", .target = "/echo", .body = body}, 10s)->status, 413);
    EXPECT_THAT(raw("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + body +
                    "\r\n0\r\n\r\n"),
                StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServer, AHugeRefusedBodyStillGetsItsAnswer) {
    start();
    ASSERT_TRUE(write_file(directory_.path() / "big", std::string(30 << 20, 'x')));
    const auto answer =
        client().upload({.method = "PUT", .target = "/unwanted"}, directory_.path() / "big", 30s);
    ASSERT_TRUE(answer) << to_string(answer.error());
    EXPECT_EQ(error_of(*answer).message, "not wanted");
}

TEST_F(HttpServer, AnUploadGoesToItsSinkInPieces) {
    start();
    ASSERT_TRUE(write_file(directory_.path() / "big", std::string(20 << 20, 'x')));
    const auto answer =
        client().upload({.method = "PUT", .target = "/sink"}, directory_.path() / "big", 30s);
    ASSERT_TRUE(answer) << to_string(answer.error());
    EXPECT_EQ(answer->status, 201);
    EXPECT_EQ(answer->body, std::to_string(20 << 20));
}

TEST_F(HttpServer, ASinkThatRefusesEndsTheRequestWithItsError) {
    start();
    const auto answer = client().send({.method = "PUT", .target = "/sink", .body = "oh!"}, 10s);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 409);
}

TEST_F(HttpServer, BadRequestsGetTheirStatus) {
    start({.max_header_bytes = 1024, .body_stall = 200ms});
    EXPECT_THAT(raw("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(raw("GET /echo HTTP/1.1\r\nA: " + std::string(2000, 'x')),
                StartsWith("HTTP/1.1 431"));
    EXPECT_THAT(raw("POST /echo HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
                StartsWith("HTTP/1.1 400"));
    const auto stalled_head = raw("GET /echo HT");
    EXPECT_THAT(stalled_head, StartsWith("HTTP/1.1 408"));
    EXPECT_THAT(stalled_head, HasSubstr(R"("fault":"timeout")"));
    EXPECT_THAT(raw("POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"),
                StartsWith("HTTP/1.1 408"));
}

TEST_F(HttpServer, AnIdleConnectionEndsWithoutAWord) {
    start({.idle = 100ms});
    EXPECT_EQ(raw(""), "");
}

TEST_F(HttpServer, ConnectionsOverTheLimitAreTurnedAway) {
    start({.max_connections = 1});
    auto first = client();
    ASSERT_TRUE(first.send({.target = "/uid"}, 10s));
    EXPECT_EQ(get("/uid").status, 503);
    EXPECT_EQ(first.send({.target = "/uid"}, 10s)->status, 200);
}

TEST_F(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
    start();
    const auto answers =
        raw("POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n1"
            "POST /echo HTTP/1.1\r\nContent-Length: 1\r\nConnection: close\r\n\r\n2");
    EXPECT_LT(answers.find("\r\n\r\n1"), answers.find("\r\n\r\n2"));
    EXPECT_THAT(answers, HasSubstr("\r\n\r\n2"));
}

TEST_F(HttpServer, ExpectContinueIsAnswered) {
    start();
    EXPECT_THAT(raw("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n"
                    "Connection: close\r\n\r\n1"),
                StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"));
}

TEST_F(HttpServer, HeadHasTheHeadersAndNoBody) {
    start();
    service_.file = directory_.path() / "f";
    ASSERT_TRUE(write_file(service_.file, "12345"));
    auto asker = client();
    const auto head = asker.send({.method = "HEAD", .target = "/file"}, 10s).value();
    EXPECT_EQ(head.headers.get("Content-Length"), "5");
    EXPECT_EQ(head.body, "");
    EXPECT_EQ(asker.send({.target = "/file"}, 10s)->body, "12345");
}

TEST_F(HttpServer, AFileIsSentWhole) {
    start();
    service_.file = directory_.path() / "f";
    const std::string bytes(5'000'000, 'z');
    ASSERT_TRUE(write_file(service_.file, bytes));
    EXPECT_EQ(get("/file").body, bytes);
    service_.file = directory_.path() / "absent";
    EXPECT_EQ(get("/file").status, 404);
}

TEST_F(HttpServer, AStreamArrivesPieceByPiece) {
    start();
    std::string seen;
    auto asker = client();
    const auto head = asker.stream({.target = "/stream"}, 10s, [&](std::string_view piece) {
        seen += piece;
        return true;
    });
    ASSERT_TRUE(head) << to_string(head.error());
    EXPECT_EQ(seen, "one two");
    EXPECT_EQ(asker.send({.target = "/uid"}, 10s)->status, 200);  // the connection goes on
}

TEST_F(HttpServer, AReaderThatIsTooSlowIsCutOff) {
    start();
    const auto fd = connect_unix_socket(socket_).value();
    constexpr std::string_view k_ask = "GET /flood HTTP/1.1\r\n\r\n";
    ASSERT_GT(::send(fd.get(), k_ask.data(), k_ask.size(), MSG_NOSIGNAL), 0);
    EXPECT_TRUE(soon([&] { return service_.flood_refused.load(); }));
}

TEST_F(HttpServer, AClientThatLeavesIsNoticedWhileItsAnswerIsAwaited) {
    start();
    {
        const auto fd = connect_unix_socket(socket_).value();
        constexpr std::string_view k_ask = "GET /never HTTP/1.1\r\n\r\n";
        ASSERT_GT(::send(fd.get(), k_ask.data(), k_ask.size(), MSG_NOSIGNAL), 0);
        EXPECT_EQ(service_.gone.load(), 0);
    }
    EXPECT_TRUE(soon([&] { return service_.gone.load() == 1; }));
}

TEST_F(HttpServer, AHandlerThatThrowsIsA500) {
    start();
    EXPECT_EQ(get("/throw").status, 500);
    EXPECT_EQ(get("/uid").status, 200);
}

TEST_F(HttpServer, ALeftOverSocketIsReplacedAndALiveOneIsConflict) {
    {
        // A server that was killed leaves its file.
        const auto dead = listen_unix_socket(socket_).value();
    }
    ASSERT_TRUE(exists(socket_));
    start();
    EXPECT_EQ(get("/uid").status, 200);
    EXPECT_EQ(listen_unix_socket(socket_).error().fault, Fault::conflict);
}

TEST_F(HttpServer, AFileInTheSocketsPlaceIsNotTouched) {
    ASSERT_TRUE(write_file(socket_, "precious"));
    EXPECT_EQ(listen_unix_socket(socket_).error().fault, Fault::conflict);
    EXPECT_EQ(read_file(socket_, 100).value(), "precious");
}

TEST_F(HttpServer, APortInUseIsNamed) {
    start();
    const auto taken = listen_tcp_socket("127.0.0.1", 0).value();
    const auto port = bound_port(taken.get()).value();
    const auto second = listen_tcp_socket("127.0.0.1", port);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().fault, Fault::conflict);
    EXPECT_THAT(second.error().message, HasSubstr(std::to_string(port)));
}

TEST_F(HttpServer, ServesTcpToo) {
    std::unique_ptr<Server> tcp;
    start();
    std::promise<std::uint16_t> port;
    loop_.post([&] {
        tcp = Server::listen_tcp(loop_, "127.0.0.1", 0, service_, {}, Log::silent()).value();
        port.set_value(tcp->port());
    });
    Client asker(clock_, TcpAddress{"127.0.0.1", port.get_future().get()});
    EXPECT_EQ(asker.send({.target = "/uid"}, 10s)->body, "-1");
    std::promise<void> ended;
    loop_.post([&] {
        tcp.reset();
        ended.set_value();
    });
    ended.get_future().wait();
}

TEST_F(HttpServer, StopEndsIdleConnectionsAndRemovesTheSocket) {
    start();
    auto asker = client();
    ASSERT_TRUE(asker.send({.target = "/uid"}, 10s));
    std::promise<void> stopped;
    loop_.post([&] {
        server_->stop();
        stopped.set_value();
    });
    stopped.get_future().wait();
    EXPECT_FALSE(exists(socket_));
    EXPECT_EQ(asker.send({.target = "/uid"}, 10s).error().fault, Fault::unavailable);
}

}  // namespace
}  // namespace sust::core::http
