#pragma once

// For tests: a control program in a temporary directory with real store, database, runs and fleet,
// served on a real socket by its own loop; the back end is played by the test.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <nlohmann/json_fwd.hpp>

#include "cluster/fake_scheduler.h"
#include "control/api.h"
#include "control/reconciler.h"
#include "core/http_client.h"
#include "fleet/probe.h"

namespace sust::control::test {

class World {
  public:
    World();
    ~World();

    // Ends the program as kill -9 would (nothing is closed in order) and starts it again.
    void restart();
    // Runs on the loop and waits for it.
    void on_loop(const std::function<void()>& work);

    core::http::Response ask(core::http::Request request);
    core::http::Response get(const std::string& target);
    core::http::Response post(const std::string& target, const nlohmann::json& body,
                              const std::string& idempotency_key = {});
    core::http::Response put(const std::string& target, const nlohmann::json& body);
    core::http::Response remove(const std::string& target);
    nlohmann::json json_of(const core::http::Response& response, int status);
    // Uploads; {"path","digest","bytes"}.
    nlohmann::json upload(const std::string& bytes, const std::string& path);
    void add_dataset(const std::string& name, int lines = 3);
    void add_model(const std::string& name);

    core::SystemClock clock;
    core::TemporaryDirectory folder;
    core::Places places;
    cluster::FakeScheduler cluster;

    core::Path socket() const { return places.run / "api.sock"; }

  private:
    struct Program;
    std::unique_ptr<Program> program_;
};

// Looks until it is true, for at most ten seconds.
bool soon(const std::function<bool()>& look);

}  // namespace sust::control::test
