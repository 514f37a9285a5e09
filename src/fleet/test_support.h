#pragma once

// For the tests of this folder: a fleet with a real store and database, and a scheduler and an
// engine that do what the test says.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "fleet/fleet.h"
#include "fleet/test_fakes.h"
#include "store/lineage.h"

namespace sust::fleet {

class FleetTest : public testing::Test {
  protected:
    FleetTest() {
        put_base("tiny");
        open();
        clock.advance(std::chrono::seconds(10));  // gateways of before have had their time
    }

    void open() {
        fleet.reset();
        auto opened =
            Fleet::open({.database = database,
                         .store = store,
                         .backends = backends,
                         .prober = prober,
                         .clock = clock},
                        {.places = {.data = home.path() / "data", .run = home.path() / "run"},
                         .engines = engines(),
                         .runner = {"/bin/sust", "run"},
                         .uid = ::getuid(),
                         .image_of = image_of},
                        core::Log::silent());
        ASSERT_TRUE(opened) << core::to_string(opened.error());
        fleet = std::move(*opened);
    }

    // Moves time on in the steps of a control loop; `each` is called after every step.
    void pass(
        Duration time, const std::function<void()>& each = [] {}) {
        for (Duration spent{}; spent < time; spent += k_step) {
            clock.advance(k_step);
            fleet->tick();
            each();
        }
    }
    bool pass_until(const std::function<bool()>& reached,
                    Duration within = std::chrono::minutes(10)) {
        for (Duration spent{}; spent < within && !reached(); spent += k_step) {
            pass(k_step);
        }
        return reached();
    }
    bool pass_until_state(const std::string& state) {
        return pass_until([&] { return view().state == state; });
    }

    store::File put_file(const std::string& path, const std::string& bytes) {
        const auto blob = store.put_bytes(bytes, "application/octet-stream").value();
        return {.path = path, .digest = blob.digest, .size = blob.size};
    }
    store::Digest put(store::Kind kind, const std::string& name, std::vector<store::File> files,
                      std::optional<store::Digest> base = {}) {
        const auto made = store.put_model(kind, std::move(files), {.name = name}, std::move(base));
        EXPECT_TRUE(made && store.set_name(name, made->digest));
        return made->digest;
    }
    store::Digest put_base(const std::string& name) {
        const auto base = put(store::Kind::model, name, {put_file("model.safetensors", name)});
        put(store::Kind::model, name + "/gguf", {put_file("base.gguf", "GGUF base " + name)});
        return base;
    }
    store::Digest put_adapter(const std::string& name, const std::string& bytes,
                              const std::string& base = "tiny") {
        return put(store::Kind::adapter, name,
                   {put_file("adapter_model.safetensors", bytes),
                    put_file("adapter.gguf", "GGUF adapter " + bytes)},
                   store.resolve(base).value());
    }

    SaidService said(std::vector<std::string> adapters = {}) const {
        return {.name = "demo", .base = "tiny", .adapters = std::move(adapters)};
    }
    ServiceView view() const { return fleet->show("demo").value(); }
    serve::FleetMap map() const { return fleet->map({}); }
    int count(serve::ReplicaState state) const {
        int count = 0;
        for (const auto& replica : map().replicas) {
            count += replica.state == state ? 1 : 0;
        }
        return count;
    }
    std::vector<store::Digest> held() const {
        const auto roots = store.roots().value();
        return roots.empty() ? std::vector<store::Digest>() : roots.front().holds;
    }
    static Engines engines() { return load_engines(Path(SUST_SOURCE_DIR) / "engines").value(); }

    static constexpr Duration k_step = std::chrono::milliseconds(200);

    core::ManualClock clock;
    core::TemporaryDirectory home =
        core::TemporaryDirectory::create(std::filesystem::temp_directory_path(), "fleet-").value();
    store::Store store = store::Store::open(home.path() / "store", clock).value();
    core::Database database = core::Database::open_in_memory().value();
    FakeScheduler scheduler;
    cluster::Backends backends{scheduler};
    FakeProber prober;
    ImageOf image_of{};  // looked at by open()
    std::unique_ptr<Fleet> fleet;
};

}  // namespace sust::fleet
