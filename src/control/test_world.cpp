#include "control/test_world.h"

#include <future>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "control/migrations.h"
#include "core/hash.h"

namespace sust::control::test {

using core::http::Request;
using nlohmann::json;

// --- the program -------------------------------------------------------------------------------

namespace {

// No engine runs in these tests: none answers.
class SilentProber final : public fleet::Prober {
  public:
    void ask(fleet::Probe, std::function<void(const fleet::ProbeAnswer&)>) override {}
};

core::Places places_in(const core::Path& folder) {
    return {.config = folder / "config",
            .data = folder / "data",
            .state = folder / "state",
            .cache = folder / "cache",
            .run = folder / "run",
            .share = SUST_SOURCE_DIR,
            .bin = folder / "bin"};
}

Result<std::optional<store::Digest>> no_image(std::string_view) {
    return std::optional<store::Digest>();
}

}  // namespace

struct World::Program {
    explicit Program(World& world)
        : database(core::Database::open(world.places.data / "sust.db").value()),
          store(store::Store::open(world.places.store(), world.clock).value()),
          keys(open_keys()),
          loop(world.clock),
          backends(world.cluster),
          fleet(fleet::Fleet::open(
                    {database, store, backends, prober, world.clock},
                    {.places = world.places,
                     .engines = fleet::load_engines(world.places.share / "engines").value(),
                     .runner = {"sust", "run"},
                     .uid = ::getuid(),
                     .image_of = no_image},
                    core::Log::silent())
                    .value()),
          runs(tune::Runs::open({.database = database,
                                 .store = store,
                                 .backends = backends,
                                 .clock = world.clock,
                                 .log = core::Log::silent(),
                                 .places = world.places,
                                 .offload =
                                     [this](auto work, auto done) {
                                         return loop.offload(std::move(work), std::move(done));
                                     },
                                 .find_environment = no_image,
                                 .limits = {.min_free_bytes = 1}})
                   .value()),
          jobs(open_jobs(world)),
          api({.loop = loop,
               .clock = world.clock,
               .database = database,
               .store = store,
               .runs = *runs,
               .jobs = jobs,
               .backends = backends,
               .fleet = *fleet,
               .keys = keys,
               .key_secret = core::Secret("a server secret of the test"),
               .places = world.places,
               .owner = ::getuid(),
               .version = "test",
               .log = core::Log::silent()}),
          server(core::http::Server::listen_unix(loop, world.socket(), api, {}, core::Log::silent())
                     .value()),
          reconciler(loop, backends, *runs, jobs, *fleet, api, core::Log::silent()),
          thread([this] { loop.run(); }) {}

    ~Program() {
        loop.stop();
        thread.join();
        loop.end_work();
    }

    tenancy::KeyTable open_keys() {
        EXPECT_TRUE(migrate(database));
        return tenancy::KeyTable::open(database).value();
    }

    Jobs open_jobs(World& world) {
        return Jobs::open({.database = database,
                           .backends = backends,
                           .clock = world.clock,
                           .log = core::Log::silent(),
                           .places = world.places,
                           .root = {},
                           .store = store,
                           .offload =
                               [this](auto work, auto done) {
                                   return loop.offload(std::move(work), std::move(done));
                               }})
            .value();
    }

    core::Database database;
    store::Store store;
    tenancy::KeyTable keys;
    SilentProber prober;
    core::EventLoop loop;
    cluster::Backends backends;
    std::unique_ptr<fleet::Fleet> fleet;
    std::unique_ptr<tune::Runs> runs;
    Jobs jobs;
    Api api;
    std::unique_ptr<core::http::Server> server;
    Reconciler reconciler;
    std::thread thread;
};

World::World()
    : folder(core::TemporaryDirectory::create("/tmp", "control").value()),
      places(places_in(folder.path())) {
    for (const auto& place : {places.data, places.run, places.bin, places.config}) {
        EXPECT_TRUE(core::make_directories(place, 0700));
    }
    program_ = std::make_unique<Program>(*this);
}

World::~World() = default;

void World::restart() {
    program_.reset();
    program_ = std::make_unique<Program>(*this);
}

void World::on_loop(const std::function<void()>& work) {
    std::promise<void> done;
    program_->loop.post([&] {
        work();
        done.set_value();
    });
    done.get_future().wait();
}

core::http::Response World::ask(Request request) {
    core::http::Client client(clock, core::http::UnixAddress{socket()});
    auto response = client.send(request, std::chrono::seconds(30));
    EXPECT_TRUE(response) << (response ? "" : core::to_string(response.error()));
    return response ? *response : core::http::Response{.status = 0};
}

core::http::Response World::get(const std::string& target) {
    return ask({.target = target});
}

core::http::Response World::post(const std::string& target, const json& body,
                                 const std::string& idempotency_key) {
    Request request{.method = "POST", .target = target, .body = body.dump()};
    if (!idempotency_key.empty()) {
        request.headers.set("Idempotency-Key", idempotency_key);
    }
    return ask(std::move(request));
}

core::http::Response World::put(const std::string& target, const json& body) {
    return ask({.method = "PUT", .target = target, .body = body.dump()});
}

core::http::Response World::remove(const std::string& target) {
    return ask({.method = "DELETE", .target = target});
}

json World::json_of(const core::http::Response& response, int status) {
    EXPECT_EQ(response.status, status) << response.body;
    return json::parse(response.body, nullptr, false);
}

json World::upload(const std::string& bytes, const std::string& path) {
    const auto digest = "sha256:" + core::sha256_hex(bytes);
    const auto answer = ask({.method = "PUT", .target = "/api/v1/blobs/" + digest, .body = bytes});
    EXPECT_EQ(answer.status, 201) << answer.body;
    return {{"path", path}, {"digest", digest}, {"bytes", bytes.size()}};
}

void World::add_dataset(const std::string& name, int lines) {
    std::string text;
    for (int i = 0; i < lines; ++i) {
        text += R"({"messages":[{"role":"user","content":"q)" + name + std::to_string(i) +
                R"("},{"role":"assistant","content":"a"}]})" + "\n";
    }
    const json body = {{"name", name}, {"files", {upload(text, "train.jsonl")}}};
    EXPECT_EQ(post("/api/v1/datasets", body).status, 201);
}

void World::add_model(const std::string& name) {
    // One tensor of the name's own bytes behind the header that says so.
    const json tensor = {{"dtype", "U8"},
                         {"shape", json::array({name.size()})},
                         {"data_offsets", json::array({0, name.size()})}};
    const auto header = json{{"w", tensor}}.dump();
    std::string weights(8, '\0');
    weights[0] = static_cast<char>(header.size());
    const json files = {upload(R"({"model_type": "test"})", "config.json"),
                        upload(weights + header + name, "model.safetensors"),
                        upload("{}", "tokenizer.json")};
    EXPECT_EQ(post("/api/v1/models", {{"name", name}, {"files", files}}).status, 201);
}

bool soon(const std::function<bool()>& look) {
    for (int i = 0; i < 1000; ++i) {
        if (look()) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

}  // namespace sust::control::test
