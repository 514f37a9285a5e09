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

#include "cluster/scheduler.h"
#include "control/api.h"
#include "control/reconciler.h"
#include "core/http_client.h"
#include "fleet/probe.h"

namespace sust::control::test {

// Remembers what was submitted; a job is what the test says it is.
class PlayedCluster final : public cluster::Scheduler {
  public:
    struct Job {
        cluster::JobSpec spec;
        cluster::JobStatus status;
        std::string out, err;
    };
    std::map<cluster::Token, Job> jobs;
    void change(const cluster::Token& token, cluster::State state);

    std::string_view name() const override { return "played"; }
    std::set<cluster::Capability> capabilities() const override { return {}; }
    Result<void> submit(const cluster::JobSpec& spec) override;
    Result<std::int64_t> resubmit(const cluster::Token& token) override;
    Result<void> cancel(const cluster::Token& token) override;
    Result<std::optional<cluster::JobStatus>> describe(const cluster::Token& token) override;
    Result<std::vector<cluster::JobStatus>> list() override;
    void watch(std::function<void(const cluster::JobStatus&)> on_change) override;
    void poll() override {}
    Result<cluster::LogChunk> logs(const cluster::Token& token, cluster::Stream stream,
                                   std::uint64_t offset, std::size_t max_bytes) override;
    Result<void> forget(const cluster::Token& token) override;
    core::Path job_directory(const cluster::Token&) const override { return {}; }
    Result<std::vector<cluster::Node>> nodes() override;
    Result<void> hold(std::string_view, std::string_view) override { return {}; }
    Result<void> release(std::string_view) override { return {}; }

  private:
    std::function<void(const cluster::JobStatus&)> watcher_;
};

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
    PlayedCluster cluster;

    core::Path socket() const { return places.run / "api.sock"; }

  private:
    struct Program;
    std::unique_ptr<Program> program_;
};

// Looks until it is true, for at most ten seconds.
bool soon(const std::function<bool()>& look);

}  // namespace sust::control::test
