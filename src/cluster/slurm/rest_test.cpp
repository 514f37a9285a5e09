#include "cluster/slurm/rest.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "core/file.h"

namespace sust::cluster::slurm {
namespace {

using namespace std::chrono_literals;
using core::Fault;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// What is asked is kept; versions that are not served are unknown places.
struct Server {
    std::vector<std::string> served;
    int status = 200;
    std::string body =
        R"({"meta": {"slurm": {"release": "24.11.5"}}, "pings": [{"pinged": "UP"}]})";
    std::vector<std::string> asked{};  // "GET v0.0.42/ping"
    std::string last_body{};

    Exchange exchange() {
        return [this](const core::http::Request& request, Duration) {
            const auto place = request.target.substr(std::string("/slurm/").size());
            const auto version = place.substr(0, place.find('/'));
            asked.push_back(request.method + " " + place);
            last_body = request.body;
            const bool known = std::find(served.begin(), served.end(), version) != served.end();
            return known ? core::http::Response{.status = status, .body = body}
                         : core::http::Response{.status = 404, .body = "Unable find requested URL"};
        };
    }
};

class SlurmRestTransport : public ::testing::Test {
  protected:
    Rest rest(Server& server, const std::string& version = "") {
        EXPECT_TRUE(core::write_file(folder_.path() / "token", "a.b.c", 0600));
        return {RestOptions{.address = "unix:/none",
                            .token_file = folder_.path() / "token",
                            .user = "sust",
                            .token_directory = {},
                            .version = version},
                server.exchange(), 1s, clock_};
    }

    core::TemporaryDirectory folder_ =
        core::TemporaryDirectory::create("/tmp", "sust-rest-").value();
    core::SystemClock clock_;
};

TEST_F(SlurmRestTransport, SpeaksTheNewestVersionThatIsServedAndDeclaresWhatItCan) {
    Server server{.served = {"v0.0.40", "v0.0.41"}};
    auto transport = rest(server);
    EXPECT_THAT(transport.lacks(), Contains(Capability::hold_nodes)) << "nothing is known yet";
    EXPECT_FALSE(transport.takes_option("mem-bind"));
    EXPECT_FALSE(transport.takes_option("contiguous"));
    EXPECT_EQ(transport.version().value(), "slurm 24.11.5, v0.0.41");
    EXPECT_THAT(transport.lacks(), ElementsAre(Capability::start_estimates));
    EXPECT_TRUE(transport.takes_option("contiguous"));
    EXPECT_TRUE(transport.drain("n1", "fan is loud"));
    EXPECT_EQ(server.asked.back(), "POST v0.0.41/node/n1");
    EXPECT_THAT(server.last_body, HasSubstr("sust: fan is loud"));
    EXPECT_THAT(server.asked, ElementsAre("GET v0.0.42/ping", "GET v0.0.41/ping",
                                          "GET v0.0.41/ping", "POST v0.0.41/node/n1"));
}

TEST_F(SlurmRestTransport, FindsAnotherVersionOnceTheServerHasTheOldOneNoMore) {
    Server server{.served = {"v0.0.38"}};
    auto transport = rest(server);
    EXPECT_TRUE(transport.ping());
    EXPECT_EQ(transport.drain("n1", "x").error().fault, Fault::invalid);
    server.served = {"v0.0.42"};
    const auto once = transport.ping();
    ASSERT_FALSE(once);
    EXPECT_EQ(once.error().fault, Fault::unavailable);
    EXPECT_TRUE(transport.ping());
    EXPECT_THAT(transport.lacks(), Not(Contains(Capability::hold_nodes)));
}

TEST_F(SlurmRestTransport, AConfiguredVersionIsSpokenUnasked) {
    Server server{.served = {"v0.0.42", "v0.0.40"}};
    auto transport = rest(server, "v0.0.40");
    EXPECT_THAT(transport.lacks(), ElementsAre(Capability::start_estimates));
    EXPECT_TRUE(transport.ping());
    EXPECT_THAT(server.asked, ElementsAre("GET v0.0.40/ping"));
    server.served = {"v0.0.42"};
    EXPECT_FALSE(transport.ping());
    const auto refused = transport.ping();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().hint, HasSubstr("v0.0.42, v0.0.41"));
}

TEST_F(SlurmRestTransport, AServerThatServesNoneOfThemIsToldWhatIsSpoken) {
    Server server{.served = {"v0.0.50"}};
    const auto refused = rest(server).ping();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::unavailable);
    EXPECT_THAT(refused.error().hint, HasSubstr("v0.0.42, v0.0.41, v0.0.40, v0.0.38"));
}

TEST_F(SlurmRestTransport, AJobIsCancelledAsSomebodysWhereTheVersionHasAWordForIt) {
    Server server{.served = {"v0.0.42"}, .body = R"({"status": [], "errors": []})"};
    auto transport = rest(server, "v0.0.42");
    EXPECT_TRUE(transport.cancel("7", "alice"));
    EXPECT_EQ(server.asked.back(), "DELETE v0.0.42/jobs/");
    EXPECT_THAT(server.last_body, HasSubstr(R"("user_name":"alice")"));
    EXPECT_TRUE(transport.cancel("7", ""));
    EXPECT_THAT(server.last_body, HasSubstr(R"("user_name":"sust")"));
}

TEST_F(SlurmRestTransport, AnOptionThatTheSpokenVersionCannotSayIsNotLeftOut) {
    Server server{.served = {"v0.0.42"}};
    auto transport = rest(server);
    Submission submission;
    submission.resources.options = {{"hint", "nomultithread"}};
    const auto refused = transport.submit(submission);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::invalid);
    EXPECT_THAT(refused.error().message, HasSubstr("hint"));
}

}  // namespace
}  // namespace sust::cluster::slurm
