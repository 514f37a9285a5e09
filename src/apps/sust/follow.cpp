#include "apps/sust/follow.h"

#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/print.h"
#include "core/text.h"

namespace sust::cli {
namespace {

constexpr auto k_look_again = std::chrono::milliseconds(300);

std::string progress_line(const nlohmann::json& run) {
    std::string line = fmt::format("{} {}", run.value("stage", "-"), run.value("state", "-"));
    const auto progress = run.value("progress", nlohmann::json::object());
    if (!progress.is_object() || !progress.contains("step")) {
        return line;
    }
    line += fmt::format("  step {}/{}", progress.value("step", 0), progress.value("steps", 0));
    if (progress.contains("loss") && progress["loss"].is_number()) {
        line += fmt::format("  loss {:.3f}", progress["loss"].get<double>());
    }
    if (progress.contains("tokens_per_second") && progress["tokens_per_second"].is_number()) {
        line += fmt::format("  {:.0f} tokens/s", progress["tokens_per_second"].get<double>());
    }
    if (progress.contains("eta_seconds") && progress["eta_seconds"].is_number()) {
        line += fmt::format("  {:.0f} s left", progress["eta_seconds"].get<double>());
    }
    return line;
}

void print_evaluation(const nlohmann::json& run) {
    const auto evaluation = run.value("evaluation", nlohmann::json::object());
    if (!evaluation.is_object()) {
        return;
    }
    for (const auto& data : evaluation.value("datasets", nlohmann::json::array())) {
        std::cout << fmt::format("  {:<20} base {:>8}  tuned {:>8}  ({} questions)\n",
                                 text_in(data, "name"), percent_in(data, "base_accuracy"),
                                 percent_in(data, "tuned_accuracy"), data.value("n", 0));
    }
    const auto perplexity = evaluation.value("perplexity", nlohmann::json());
    if (perplexity.is_object()) {
        std::cout << fmt::format("  {:<20} base {:>8}  tuned {:>8}\n", "held-out perplexity",
                                 number_in(perplexity, "base"), number_in(perplexity, "tuned"));
    }
}

}  // namespace

Result<int> follow_run(const Context& context, Api& api, const std::string& id) {
    Progress progress(context);
    nlohmann::json run;
    while (true) {
        run = TRY(api.get(api_path("runs", id)));
        if (run.value("final", false)) {
            break;
        }
        progress.show(progress_line(run));
        std::this_thread::sleep_for(k_look_again);
    }
    progress.finish();
    const auto state = run.value("state", std::string());
    if (context.json) {
        std::cout << run.dump(2) << '\n';
    } else {
        std::cout << fmt::format(
            "{} {}{}\n", id, state,
            state == "succeeded" ? ": " + run.value("name", std::string()) : "");
        print_evaluation(run);
    }
    if (state == "succeeded") {
        return 0;
    }
    const auto text = [&](const char* key) {
        return run.contains(key) && run[key].is_string() ? run[key].get<std::string>()
                                                         : std::string();
    };
    const auto fault = state == "refused"     ? Fault::conflict
                       : state == "cancelled" ? Fault::unavailable
                                              : Fault::internal;
    const std::string advice = text("advice");
    return core::fail(fault, fmt::format("{} {}: {}", id, state, text("reason")),
                      {.hint = advice.empty() ? fmt::format("sust tune logs {}", id) : advice});
}

Result<int> print_run_logs(const Context&, Api& api, const std::string& id,
                           const std::string& stage, bool follow) {
    const std::string query =
        stage.empty() ? "?stream=both" : "?stream=both&stage=" + core::percent_encode(stage);
    TRY(print_log(api, api_path("runs", id, "/logs") + query, follow));
    return 0;
}

Result<void> print_log(Api& api, const std::string& target, bool follow) {
    std::uint64_t offset = 0;
    while (true) {
        const auto chunk = TRY(api.get(fmt::format("{}&offset={}", target, offset)));
        std::cout << chunk.value("text", std::string()) << std::flush;
        const auto next = chunk.value("next_offset", offset);
        const bool moved = next != offset;
        offset = next;
        if (chunk.value("complete", false) || (!moved && !follow) || !std::cout) {
            return {};
        }
        if (!moved) {
            std::this_thread::sleep_for(k_look_again);
        }
    }
}

}  // namespace sust::cli
