#include "cluster/relay.h"

#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/http_client.h"
#include "core/link_proof.h"
#include "core/listen.h"
#include "core/process.h"

namespace sust::cluster {
namespace {

using namespace std::chrono_literals;
using core::Fault;
using ::testing::HasSubstr;

// An engine as the relay sees one: HTTP on a Unix socket, ended by SIGTERM.
constexpr const char* k_engine = R"(
import http.server, os, socketserver, sys
class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def address_string(self): return "peer"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])
Engine(sys.argv[1], Handler).serve_forever()
)";

class RelayTest : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(core::write_file(folder_.path() / "key", k_key.reveal() + "\n", 0600));
    }

    core::Child start(std::vector<std::string> engine) {
        std::vector<std::string> argv{SUST_AGENT,   "relay",
                                      "--socket",   socket_.string(),
                                      "--key-file", (folder_.path() / "key").string(),
                                      "--endpoint", (folder_.path() / k_endpoint_file).string(),
                                      "--network",  "127.0.0.0/8",
                                      "--"};
        argv.insert(argv.end(), engine.begin(), engine.end());
        return core::Child::spawn({.argv = argv, .new_session = true, .die_with_parent = true})
            .value();
    }
    core::Child start_engine() { return start({"python3", "-c", k_engine, socket_.string()}); }

    Endpoint endpoint() const {
        for (const core::Deadline deadline(clock_, 20s); !deadline.passed();) {
            const auto text = core::read_file_if_any(folder_.path() / k_endpoint_file, 4096);
            if (text && *text && core::path_exists(socket_)) {
                return decode_endpoint(**text).value();
            }
            std::this_thread::sleep_for(10ms);
        }
        ADD_FAILURE() << "the relay does not listen";
        return {};
    }
    core::Result<core::http::Response> ask(const core::Secret& key, const std::string& body) const {
        const auto at = endpoint();
        core::http::Client client(
            clock_, core::http::TcpAddress{.host = at.host, .port = at.port, .link_key = key});
        return client.send({.method = "POST", .target = "/", .body = body}, 10s);
    }

    const core::Secret k_key{"the key of this link"};
    core::SystemClock clock_;
    core::TemporaryDirectory folder_ =
        core::TemporaryDirectory::create(std::filesystem::temp_directory_path(), "relay-").value();
    core::Path socket_ = folder_.path() / "engine" / "engine.sock";
};

TEST_F(RelayTest, WhoHasTheKeyReachesTheEngineThroughItsPort) {
    const auto relay = start_engine();
    const auto answer = ask(k_key, "abc");
    ASSERT_TRUE(answer) << core::to_string(answer.error());
    EXPECT_EQ(answer->body, "cba");
    // Far more than a piece, both ways.
    const std::string large(5 << 20, 'x');
    EXPECT_EQ(ask(k_key, large)->body, large);
}

TEST_F(RelayTest, NobodyElseDoes) {
    const auto relay = start_engine();
    const auto refused = ask(core::Secret("another key"), "abc");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::unavailable);  // the relay hangs up without a word
    // Plain HTTP gets the relay's hello and no answer.
    const auto at = endpoint();
    core::http::Client plain(clock_, core::http::TcpAddress{.host = at.host, .port = at.port});
    EXPECT_FALSE(plain.send({.method = "POST", .target = "/", .body = "abc"}, 10s));
    EXPECT_EQ(ask(k_key, "abc")->body, "cba");
}

TEST_F(RelayTest, WhoListensWithoutTheKeyGetsNoRequest) {
    const auto listener = core::listen_tcp_socket("127.0.0.1", 0);
    ASSERT_TRUE(listener);
    const auto port = core::bound_port(listener->get()).value();
    std::string heard;
    std::thread stranger([&] {
        core::Fd peer;
        for (int i = 0; i < 1000 && !peer; ++i) {
            peer = core::Fd(::accept(listener->get(), nullptr, nullptr));
            std::this_thread::sleep_for(5ms);
        }
        const core::LinkServer server;
        (void)core::write_all(peer.get(), server.hello());
        char claim[core::k_link_claim_bytes];
        (void)::recv(peer.get(), claim, sizeof claim, MSG_WAITALL);
        (void)core::write_all(peer.get(), std::string(core::k_link_grant_bytes, '0'));
        char more[64];
        const auto got = ::recv(peer.get(), more, sizeof more, 0);
        heard.assign(more, got > 0 ? static_cast<std::size_t>(got) : 0);
    });
    core::http::Client client(clock_, core::http::TcpAddress{"127.0.0.1", port, k_key});
    const auto answer = client.send({.method = "POST", .target = "/", .body = "a prompt"}, 10s);
    stranger.join();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().fault, Fault::denied);
    EXPECT_EQ(heard, "");
}

TEST_F(RelayTest, ItEndsWithTheEngineAndItsStatus) {
    auto relay = start({"sh", "-c", "exit 3"});
    EXPECT_EQ(relay.wait(core::Deadline(clock_, 20s)).value(), 3);
    EXPECT_FALSE(core::path_exists(socket_.parent_path()));
    auto absent = start({"no-such-engine"});
    EXPECT_EQ(absent.wait(core::Deadline(clock_, 20s)).value(), 125);
}

TEST_F(RelayTest, AStopSignalToTheGroupEndsBoth) {
    auto relay = start_engine();
    endpoint();
    ASSERT_EQ(::kill(-relay.pid(), SIGTERM), 0);
    EXPECT_EQ(relay.wait(core::Deadline(clock_, 20s)).value(), 128 + SIGTERM);
}

TEST_F(RelayTest, ASocketsFolderOfSomebodyElseIsNotUsed) {
    ASSERT_TRUE(core::make_directories(socket_.parent_path(), 0777));
    ASSERT_EQ(::chmod(socket_.parent_path().c_str(), 0777), 0);
    auto relay = start({"sleep", "60"});
    EXPECT_EQ(relay.wait(core::Deadline(clock_, 20s)).value(), 125);
}

TEST(Addresses, ANetworkChoosesAndAForeignOneIsNamed) {
    EXPECT_EQ(reachable_address("127.0.0.0/8").value(), "127.0.0.1");
    EXPECT_TRUE(reachable_address(""));
    const auto foreign = reachable_address("203.0.113.0/24");
    ASSERT_FALSE(foreign);
    EXPECT_THAT(foreign.error().message, HasSubstr("203.0.113.0/24"));
    for (const auto* bad : {"10.0.0.0/33", "ten", "10.0.0.0/-1", "10.0.0.0/", "::1/129"}) {
        EXPECT_EQ(reachable_address(bad).error().fault, Fault::invalid) << bad;
    }
}

TEST(Endpoints, WhatIsNoneIsRefused) {
    const auto same = decode_endpoint(encode(Endpoint{"10.0.0.7", 4711}));
    ASSERT_TRUE(same);
    EXPECT_EQ(same->host, "10.0.0.7");
    EXPECT_EQ(same->port, 4711);
    for (const auto* bad :
         {"", "[]", R"({"format":1,"host":"10.0.0.7","port":0})",
          R"({"format":1,"host":"somewhere","port":1})", R"({"format":2,"host":"::1","port":1})",
          R"({"format":1,"host":"::1","port":"1"})"}) {
        EXPECT_FALSE(decode_endpoint(bad)) << bad;
    }
}

}  // namespace
}  // namespace sust::cluster
