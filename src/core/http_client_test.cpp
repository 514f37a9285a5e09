#include "core/http_client.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "core/listen.h"

namespace sust::core::http {
namespace {

// A server that says prepared bytes to whoever connects, one answer per connection.
class HttpClient : public testing::Test {
  protected:
    void serve(std::vector<std::string> answers) {
        listener_ = listen_unix_socket(socket_).value();
        thread_ = std::thread([this, answers = std::move(answers)] {
            for (const auto& answer : answers) {
                const Fd fd(accept_one());
                char piece[65536];
                (void)::recv(fd.get(), piece, sizeof piece, 0);
                (void)::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
                if (answer.empty()) {
                    (void)::recv(fd.get(), piece, sizeof piece, 0);  // silent until it leaves
                }
            }
        });
    }
    int accept_one() {
        while (true) {
            const int fd = ::accept(listener_.get(), nullptr, nullptr);
            if (fd >= 0) {
                return fd;
            }
            std::this_thread::sleep_for(1ms);
        }
    }
    ~HttpClient() override {
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    SystemClock clock_;
    TemporaryDirectory directory_ =
        TemporaryDirectory::create(testing::TempDir(), "client").value();
    Path socket_ = directory_.path() / "s.sock";
    Client client_{clock_, UnixAddress{socket_}};
    Fd listener_;
    std::thread thread_;
};

TEST_F(HttpClient, NobodyThereIsUnavailable) {
    EXPECT_EQ(client_.send({}, 1s).error().fault, Fault::unavailable);
    Client tcp(clock_, TcpAddress{"127.0.0.1", 1});
    EXPECT_EQ(tcp.send({}, 5s).error().fault, Fault::unavailable);
    Client name(clock_, TcpAddress{"example.org", 1});
    EXPECT_EQ(name.send({}, 5s).error().fault, Fault::invalid);
}

TEST_F(HttpClient, ASilentServerIsATimeout) {
    serve({""});
    EXPECT_EQ(client_.send({}, 50ms).error().fault, Fault::timeout);
}

TEST_F(HttpClient, AnAnswerThatBreaksOffIsUnavailable) {
    serve({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"});
    EXPECT_EQ(client_.send({}, 5s).error().fault, Fault::unavailable);
}

TEST_F(HttpClient, AnAnswerThatEndsWithItsConnectionIsWhole) {
    serve({"HTTP/1.0 200 OK\r\n\r\nall of it"});
    EXPECT_EQ(client_.send({}, 5s)->body, "all of it");
}

TEST_F(HttpClient, AnAnswerOverTheLimitIsTooLarge) {
    serve({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"});
    EXPECT_EQ(client_.send({}, 5s, 9).error().fault, Fault::too_large);
}

TEST_F(HttpClient, NonsenseIsUnavailable) {
    serve({"SSH-2.0-OpenSSH_9.2\r\n"});
    EXPECT_EQ(client_.send({}, 5s).error().fault, Fault::unavailable);
}

TEST_F(HttpClient, AConnectionThatTheServerEndedIsMadeAgain) {
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    serve({answer + "1", answer + "2"});
    EXPECT_EQ(client_.send({}, 5s)->body, "1");
    EXPECT_EQ(client_.send({}, 5s)->body, "2");
}

TEST_F(HttpClient, AStreamMayBeLeftEarly) {
    serve({"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"});
    const auto head = client_.stream({}, 5s, [](std::string_view) { return false; });
    ASSERT_TRUE(head) << to_string(head.error());
    EXPECT_EQ(head->status, 200);
}

TEST_F(HttpClient, ARefusedStreamGivesItsBody) {
    serve({"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"});
    const auto head = client_.stream({}, 5s, [](std::string_view) -> bool {
        ADD_FAILURE();
        return true;
    });
    ASSERT_TRUE(head);
    EXPECT_EQ(head->body, "gone");
}

TEST_F(HttpClient, LineEndsInAHeadAreRefused) {
    EXPECT_EQ(client_.send({.target = "/a b"}, 1s).error().fault, Fault::invalid);
    EXPECT_EQ(client_.send({.headers = {{"A", "b\r\nC: d"}}}, 1s).error().fault, Fault::invalid);
}

}  // namespace
}  // namespace sust::core::http
