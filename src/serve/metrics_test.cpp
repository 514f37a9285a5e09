#include "serve/metrics.h"

#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/text.h"
#include "serve/test_support.h"

namespace sust::serve {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// What a Prometheus server reads: a value for every series. Fails on what it would refuse.
std::map<std::string, double> read(const std::string& text) {
    std::map<std::string, double> series;
    std::set<std::string> families;
    std::string family;
    EXPECT_TRUE(text.ends_with('\n'));
    for (const auto& line : core::split(text.substr(0, text.size() - 1), '\n')) {
        const auto words = core::split(line, ' ');
        if (line.starts_with("# TYPE ")) {
            family = words.at(2);
            EXPECT_TRUE(families.insert(family).second) << family << " is there twice";
        } else if (!line.starts_with("# HELP ")) {
            EXPECT_TRUE(line.starts_with(family)) << line << " is not of " << family;
            const auto space = line.rfind(' ');
            const auto value = core::parse_number(line.substr(space + 1));
            EXPECT_TRUE(value) << line;
            EXPECT_TRUE(series.emplace(line.substr(0, space), value.value_or(-1)).second) << line;
        }
    }
    return series;
}

std::map<std::string, double> read(const Histogram& histogram) {
    std::string out;
    histogram.print("h", "l=\"x\"", out);
    return read("# TYPE h histogram\n" + out);
}

std::map<std::string, double> read(const Metrics& metrics) {
    return read(print(metrics, *view_of({}), true));
}

std::string bucket(std::string_view bound) {
    return "h_bucket{l=\"x\",le=\"" + std::string(bound) + "\"}";
}

TEST(Histograms, CountWhatIsExactlyABoundBelowIt) {
    Histogram histogram;
    histogram.add(1ms);
    histogram.add(1001us);
    auto series = read(histogram);
    EXPECT_EQ(series.at(bucket("0.001")), 1);
    EXPECT_EQ(series.at(bucket("0.0025")), 2);
}

TEST(Histograms, AddUpFromBucketToBucket) {
    Histogram histogram;
    for (const auto interval : {0ms, 3ms, 3ms, 700ms, 120'000ms, 120'001ms}) {
        histogram.add(interval);
    }
    auto series = read(histogram);
    EXPECT_EQ(series.at(bucket("0.001")), 1);
    EXPECT_EQ(series.at(bucket("0.005")), 3);
    EXPECT_EQ(series.at(bucket("0.5")), 3);
    EXPECT_EQ(series.at(bucket("0.75")), 4);
    EXPECT_EQ(series.at(bucket("120")), 5);
    EXPECT_EQ(series.at(bucket("+Inf")), 6);
    EXPECT_EQ(series.at("h_count{l=\"x\"}"), 6);
    EXPECT_DOUBLE_EQ(series.at("h_sum{l=\"x\"}"), 240.707);
    EXPECT_EQ(series.size(), Histogram::k_bounds.size() + 3);
}

TEST(Histograms, OfTwoThreadsMergeToTheirSum) {
    Histogram one;
    Histogram two;
    one.add(3ms);
    two.add(3ms);
    two.add(200s);
    one.merge(two);
    auto series = read(one);
    EXPECT_EQ(series.at(bucket("0.0025")), 0);
    EXPECT_EQ(series.at(bucket("0.005")), 2);
    EXPECT_EQ(series.at(bucket("+Inf")), 3);
    EXPECT_DOUBLE_EQ(series.at("h_sum{l=\"x\"}"), 200.006);
}

Metrics of_a_thread() {
    Metrics metrics;
    metrics.count("m", 200);
    metrics.count("m", 200);
    metrics.count("m", 499);
    metrics.count("", 401);
    auto& model = metrics.model("m");
    model.first_token.add(3ms);
    model.between_tokens.add(3ms);
    model.duration.add(3ms);
    model.prompt_tokens = 10;
    model.completion_tokens = 20;
    model.aborted = 1;
    metrics.retries = 2;
    metrics.running = 3;
    metrics.waiting = 4;
    metrics.connections = 5;
    return metrics;
}

TEST(Figures, OfTwoThreadsMergeToTheirSum) {
    auto sum = of_a_thread();
    auto other = of_a_thread();
    other.count("n", 200);
    other.model("n").prompt_tokens = 7;
    sum.merge(other);
    const std::pair<const char*, double> expected[] = {
        {R"(sust_requests_total{model_name="m",status="200"})", 4},
        {R"(sust_requests_total{model_name="m",status="499"})", 2},
        {R"(sust_requests_total{model_name="",status="401"})", 2},
        {R"(sust_requests_total{model_name="n",status="200"})", 1},
        {R"(sust_time_to_first_token_seconds_count{model_name="m"})", 2},
        {R"(sust_inter_token_latency_seconds_count{model_name="m"})", 2},
        {R"(sust_e2e_request_latency_seconds_count{model_name="m"})", 2},
        {R"(sust_prompt_tokens_total{model_name="m"})", 20},
        {R"(sust_prompt_tokens_total{model_name="n"})", 7},
        {R"(sust_generation_tokens_total{model_name="m"})", 40},
        {R"(sust_requests_aborted_total{model_name="m"})", 2},
        {"sust_retries_total", 4},
        {"sust_num_requests_running", 6},
        {"sust_num_requests_waiting", 8},
        {"sust_connections", 10}};
    auto series = read(sum);
    for (const auto& [name, value] : expected) {
        EXPECT_EQ(series[name], value) << name;
    }
}

TEST(Figures, TellWhichStateAReplicaIsInAndWhatItWorksOn) {
    const auto view = view_of({ready("a"), in_state(ReplicaState::draining, ready("b"))});
    view->candidates("m")->back().load->in_flight = 3;
    auto series = read(print({}, *view, false));
    for (const auto state : k_replica_states) {
        const auto name = "sust_replica_state{replica=\"b\",service=\"s\",state=\"" +
                          std::string(to_string(state)) + "\"}";
        EXPECT_EQ(series.at(name), state == ReplicaState::draining ? 1 : 0);
    }
    EXPECT_EQ(series.at(R"(sust_replica_requests_running{replica="a",service="s"})"), 0);
    EXPECT_EQ(series.at(R"(sust_replica_requests_running{replica="b",service="s"})"), 3);
}

TEST(Figures, TellTheMapInUseAndWhetherItIsFollowed) {
    FleetMap map;
    map.version = 42;
    const auto view = View::make(map, nullptr);
    EXPECT_EQ(read(print({}, *view, true)).at("sust_fleet_version"), 42);
    EXPECT_EQ(read(print({}, *view, true)).at("sust_controller_connected"), 1);
    EXPECT_EQ(read(print({}, *view, false)).at("sust_controller_connected"), 0);
}

TEST(Figures, CannotBeForgedByTheNameOfAModel) {
    Metrics metrics;
    metrics.count("a\"} 1\nforged 7\\", 200);
    const auto text = print(metrics, *view_of({}), true);
    EXPECT_THAT(text, Not(HasSubstr("\nforged")));
    EXPECT_THAT(text, HasSubstr(R"({model_name="a\"} 1\nforged 7\\",status="200"} 1)"));
}

}  // namespace
}  // namespace sust::serve
