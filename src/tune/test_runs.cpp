#include "tune/test_runs.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sust::tune::test {

namespace {

void write(const core::Path& file, std::string_view text) {
    ASSERT_TRUE(core::make_directories(file.parent_path()));
    ASSERT_TRUE(core::write_file(file, text));
}

std::string examples(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
        text += R"({"messages":[{"role":"user","content":")" + std::to_string(i) +
                R"("},{"role":"assistant","content":"{}"}]})" + "\n";
    }
    return text;
}

}  // namespace

// --- the cluster

void FakeCluster::end(const std::string& token, cluster::End end, int exit_status) {
    if (end == cluster::End::completed) {
        play(job(token).spec);
    }
    finish(token, end, {}, exit_status);
}

core::Result<void> FakeCluster::submit(const cluster::JobSpec& spec) {
    fuse_->burn();
    TRY(FakeScheduler::submit(spec));
    job(spec.token.value).err = "first\nlast words\n";
    fuse_->burn();
    return {};
}

core::Result<std::int64_t> FakeCluster::resubmit(const cluster::Token& token,
                                                 const cluster::Orders& orders) {
    fuse_->burn();
    const auto epoch = FakeScheduler::resubmit(token, orders);
    fuse_->burn();
    return epoch;
}

core::Result<void> FakeCluster::cancel(const cluster::Token& token) {
    fuse_->burn();
    return FakeScheduler::cancel(token);
}

core::Result<std::optional<cluster::JobStatus>> FakeCluster::describe(const cluster::Token& token) {
    fuse_->burn();
    return FakeScheduler::describe(token);
}

core::Result<void> FakeCluster::forget(const cluster::Token& token) {
    fuse_->burn();
    const auto forgotten = FakeScheduler::forget(token);
    fuse_->burn();
    return forgotten;
}

// --- the installation

Installation::Installation() : store(*store::Store::open(folder.path() / "data" / "store", clock)) {
    places.share = SUST_SOURCE_DIR;
    cluster.play = [this](const cluster::JobSpec& spec) { play(spec); };
    add_model(store::Kind::model, "tiny",
              {{"config.json", "{}"}, {"model.safetensors", "weights"}});
    add_model(store::Kind::dataset, "tickets", {{"train.jsonl", examples(40)}});
    add_model(store::Kind::dataset, "known", {{"train.jsonl", examples(5)}});
    open();
}

store::Digest Installation::add_model(store::Kind kind, const std::string& name,
                                      const std::map<std::string, std::string>& files,
                                      std::optional<store::Digest> base) {
    std::vector<store::File> stored;
    for (const auto& [path, text] : files) {
        const auto blob = *store.put_bytes(text, {});
        stored.push_back({.path = path, .digest = blob.digest, .size = blob.size});
    }
    const auto made = *store.put_model(kind, stored, {.name = name}, base);
    EXPECT_TRUE(store.set_name(name, made.digest));
    return made.digest;
}

void Installation::open() {
    database_.emplace(*core::Database::open(folder.path() / "sust.db"));
    auto opened =
        Runs::open({.database = *database_,
                    .store = store,
                    .backends = backends,
                    .clock = clock,
                    .log = core::Log::silent(),
                    .places = places,
                    .root = folder.path(),
                    .offload = [this](std::function<void()> work,
                                      std::function<void()> done) -> core::Result<void> {
                        fuse.burn();
                        work();
                        fuse.burn();
                        done();
                        return {};
                    },
                    .find_environment =
                        [](std::string_view) {
                            return core::Result<std::optional<store::Digest>>(std::nullopt);
                        },
                    .limits = limits});
    ASSERT_TRUE(opened) << core::to_string(opened.error());
    runs_ = std::move(*opened);
    runs_->on_event([this](const RunEvent& event) {
        events.push_back(event);
        fuse.burn();
    });
}

void Installation::close() {
    runs_.reset();
    database_.reset();
}

Run Installation::drive(const std::string& id) {
    for (int round = 0; round < 100; ++round) {
        try {
            runs_->tick();
            for (auto& [token, job] : cluster.jobs) {
                if (!cluster::is_final(job.status.state)) {
                    cluster.end(token, cluster::End::completed, 0);
                }
            }
            if (const auto run = runs_->show(id); run && is_final(run->phase)) {
                return *run;
            }
        } catch (const Killed&) {
            close();
            open();
        }
    }
    ADD_FAILURE() << "the run came to no end";
    return *runs_->show(id);
}

// What the recipe's programs leave in the work folder.
void Installation::play(const cluster::JobSpec& spec) {
    const auto stage = spec.token.value.substr(spec.token.value.rfind('-') + 1);
    if (stage == "train") {
        write(spec.workdir / "adapter" / "adapter_config.json", "{}");
        write(spec.workdir / "adapter" / "adapter_model.safetensors", "adapter");
    } else if (stage == "convert") {
        write(spec.workdir / "gguf" / "base.gguf", "base");
        write(spec.workdir / "gguf" / "adapter.gguf", "adapter gguf");
    } else if (stage == "evaluate") {
        const Evaluation evaluation{
            .datasets = {{.name = "known", .n = 5, .base_correct = 0, .tuned_correct = 5}},
            .perplexity = Perplexity{.base = 25.5, .tuned = tuned_perplexity, .tokens = 9}};
        write(spec.workdir / "evaluation.json", nlohmann::json(evaluation).dump());
    }
}

}  // namespace sust::tune::test
