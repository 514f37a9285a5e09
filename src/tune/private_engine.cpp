#include "tune/private_engine.h"

#include <algorithm>
#include <csignal>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "core/text.h"
#include "tune/run_request.h"

namespace sust::tune {

using core::Child;
using core::fail;
using core::Fault;
using core::Result;

namespace {

// Enough to keep two cores busy; more slots make each answer slower and the whole no faster.
constexpr int k_slots = 4;
// Questions with their answers; what a model cannot hold it caps by itself.
constexpr int k_context = 2048;
// Threads of a small model wait for each other longer than they work.
constexpr std::uintmax_t k_bytes_per_thread = 64 << 20;
constexpr auto k_look = std::chrono::milliseconds(50);

int threads_for(const EvaluatorSpec& spec) {
    std::error_code code;
    const auto bytes = std::filesystem::file_size(spec.base_gguf, code);
    const auto useful = code ? 1 : 1 + bytes / k_bytes_per_thread;
    return std::max(1, static_cast<int>(std::min<std::uintmax_t>(spec.threads, useful)));
}

Result<fleet::EngineInputs> inputs_of(const EvaluatorSpec& spec) {
    const auto socket_folder = TRY(fleet::socket_folder(spec.work / "engine", ::getuid()));
    fleet::EngineInputs inputs{.alias = "evaluation",
                               .base_name = "base",
                               .base = spec.base_gguf,
                               .socket_folder = socket_folder,
                               .slots = k_slots,
                               .context = k_context,
                               .threads = threads_for(spec)};
    if (!spec.adapter_gguf.empty()) {
        inputs.adapters.push_back({.name = "candidate", .file = spec.adapter_gguf});
    }
    return inputs;
}

}  // namespace

Result<PrivateEngine> PrivateEngine::start(const EvaluatorSpec& spec, const core::Places& places,
                                           const core::Clock& clock) {
    const auto engines = TRY(fleet::load_engines(places.share / "engines"));
    const auto* engine = TRY(fleet::find_engine(engines, k_evaluation_engine));
    auto inputs = TRY(inputs_of(spec));
    TRY(core::make_directories(inputs.socket_folder, 0700));
    auto command = TRY(fleet::engine_command(*engine, inputs));
    // Of an attempt that was killed: the engine went with it, its socket's file stayed.
    TRY(core::remove_tree(command.socket));
    auto child = TRY(Child::spawn({.argv = fleet::run_argv(spec.run, command),
                                   // Its chatter is kept apart from our own words.
                                   .err = STDOUT_FILENO,
                                   .new_session = true,
                                   .die_with_parent = true}));
    PrivateEngine started(std::move(command), std::move(child), clock, engine->stop_grace, k_slots);
    TRY(started.wait_ready(*engine));
    return started;
}

Result<void> PrivateEngine::wait_ready(const fleet::Engine& engine) {
    const core::Deadline deadline(*clock_, engine.probe.ready_within);
    while (!deadline.passed()) {
        core::http::Client client(*clock_, address());
        const auto answer = client.send({.target = engine.probe.health}, engine.probe.timeout);
        if (answer && answer->status == 200) {
            return {};
        }
        if (const auto ended = TRY(child_->wait(core::Deadline(*clock_, core::Duration::zero())))) {
            return fail(
                Fault::unavailable,
                fmt::format("the engine ended with status {} before it was ready", *ended),
                {.where = engine.name, .hint = "the stage's standard output shows its words"});
        }
        std::this_thread::sleep_for(k_look);
    }
    return fail(
        Fault::timeout,
        "the engine was not ready within " + core::format_duration(engine.probe.ready_within),
        {.where = engine.name});
}

PrivateEngine::~PrivateEngine() {
    if (!child_) {
        return;
    }
    // It is idle by now, so it ends at once; else the child's own end kills it.
    if (child_->signal(SIGTERM)) {
        (void)child_->wait(core::Deadline(*clock_, grace_));
    }
    child_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(command_.socket.parent_path(), ignored);
}

}  // namespace sust::tune
