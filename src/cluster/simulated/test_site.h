#pragma once

// A simulated site of a test, whose users are the test.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "cluster/simulated/engine.h"
#include "cluster/simulated/site_file.h"

namespace sust::cluster::simulated {

using namespace std::chrono_literals;

inline constexpr std::string_view k_four =
    "clock = 'manual'\n[backfill]\ninterval = '1s'\n"
    "[nodes.n]\nnames = 'n[1-4]'\ncores = 8\nmemory = '64GiB'\n[nodes.n.gpus]\ncount = 4\n";

inline std::string four(const std::string& more = {}) {
    return std::string(k_four) + more;
}

// A site whose users are the test.
class TestSite {
  public:
    explicit TestSite(const std::string& text) : engine(read(text)) {}

    static std::shared_ptr<const Model> read(const std::string& text) {
        auto model = read_model(text, "SITE.toml");
        EXPECT_TRUE(model) << core::to_string(model.error());
        return std::make_shared<const Model>(std::move(model).value());
    }

    // A played job of whole nodes; its token is its name.
    Uid submit(const std::string& token, int nodes, Duration lasts, Duration limit = 0ms,
               Ask ask = {}) {
        ask.token = {token};
        ask.epoch = 1;
        ask.nodes = nodes;
        ask.cores = ask.cores == 1 ? 8 : ask.cores;
        ask.duration = lasts;
        ask.limit = limit == 0ms ? lasts : limit;
        engine.submit(std::move(ask));
        return ++last_;
    }
    Uid command(const std::string& token, Duration limit = 1h) {
        Ask ask{.is_command = true};
        return submit(token, 1, limit, limit, ask);
    }
    void run(Time until) { EXPECT_TRUE(engine.advance(until, 1'000'000)); }
    const Job& job(Uid uid) const {
        const auto* found = engine.find(uid);
        EXPECT_NE(found, nullptr) << uid;
        static const Job k_none;
        return found == nullptr ? k_none : *found;
    }
    Phase phase(Uid uid) const { return job(uid).phase; }
    std::optional<End> end(Uid uid) const { return job(uid).end; }
    std::vector<std::string> orders() {
        std::vector<std::string> told;
        for (const auto& order : engine.take_orders()) {
            constexpr std::array k_words = {"begin", "stop", "kill", "over"};
            told.push_back(k_words[static_cast<std::size_t>(order.kind)] + std::string(" ") +
                           job(order.job).ask.token.value);
        }
        return told;
    }

    Engine engine;

  private:
    Uid last_ = 0;
};

}  // namespace sust::cluster::simulated
