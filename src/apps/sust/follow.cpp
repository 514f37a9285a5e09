#include "apps/sust/follow.h"

#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <unistd.h>

#include "apps/sust/print.h"

namespace sust::cli {
namespace {

constexpr auto k_look_again = std::chrono::milliseconds(300);
constexpr auto k_away = std::chrono::seconds(60);  // that a sustd may take to come back

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

// Ctrl-C ends the watching and not the run, which is to be said. What the handler needs is made
// before: it may only write.
std::string g_goodbye;

void say_goodbye(int signal) {
    (void)!::write(STDERR_FILENO, g_goodbye.data(), g_goodbye.size());
    ::signal(signal, SIG_DFL);
    ::raise(signal);
}

class Goodbye {
  public:
    explicit Goodbye(std::string text) {
        g_goodbye = std::move(text);
        ::signal(SIGINT, say_goodbye);
    }
    ~Goodbye() { ::signal(SIGINT, SIG_DFL); }
    Goodbye(const Goodbye&) = delete;
    Goodbye& operator=(const Goodbye&) = delete;
};

bool is_final(const nlohmann::json& run) {
    return run.value("final", false);
}

// "progress" carries only that, every other event the whole run.
void take(const core::http::Event& event, nlohmann::json& run) {
    auto told = nlohmann::json::parse(event.data, nullptr, false);
    if (!told.is_object()) {
        return;
    }
    if (event.event == "progress") {
        run["progress"] = std::move(told);
    } else {
        run = std::move(told);
    }
}

}  // namespace

// A stream that breaks is taken up again.
Result<nlohmann::json> await_end(const Context& context, Api& api, const Watched& watched) {
    const auto& id = watched.id;
    const Goodbye goodbye(
        fmt::format("\n{} goes on; look at it: {}; end it: {}\n", id,
                    context.command(fmt::format("{} show {}", watched.noun, id)),
                    context.command(fmt::format("{} cancel {}", watched.noun, id))));
    const auto place = api_path(watched.collection, id);
    Progress progress(context);
    auto run = TRY(api.get(place));
    core::Deadline away(context.clock, k_away);
    while (!is_final(run)) {
        const auto heard = api.follow(
            api_path(watched.collection, id, "/events"), [&](const core::http::Event& event) {
                take(event, run);
                progress.show(watched.line(run), text_in(run, "stage") + text_in(run, "state"));
                return !is_final(run);
            });
        if (is_final(run)) {
            break;
        }
        // Also where it cannot be followed (too many do): then it is asked for now and then.
        std::this_thread::sleep_for(k_look_again);
        auto shown = api.get(place);
        if (shown) {
            run = std::move(*shown);
            away = core::Deadline(context.clock, k_away);
        } else if (shown.error().fault != Fault::unavailable || away.passed()) {
            return shown;
        }
    }
    progress.finish();
    return run;
}

std::vector<std::string> evaluation_lines(const nlohmann::json& evaluation) {
    std::vector<std::string> lines;
    if (!evaluation.is_object()) {
        return lines;
    }
    for (const auto& data : evaluation.value("datasets", nlohmann::json::array())) {
        lines.push_back(fmt::format("{:<20} base {:>8}  tuned {:>8}  ({} questions)",
                                    text_in(data, "name"), percent_in(data, "base_accuracy"),
                                    percent_in(data, "tuned_accuracy"), data.value("n", 0)));
    }
    const auto perplexity = evaluation.value("perplexity", nlohmann::json());
    if (perplexity.is_object()) {
        lines.push_back(fmt::format("{:<20} base {:>8}  tuned {:>8}", "held-out perplexity",
                                    number_in(perplexity, "base"), number_in(perplexity, "tuned")));
    }
    return lines;
}

Result<int> follow_run(const Context& context, Api& api, const std::string& id) {
    const auto run = TRY(await_end(
        context, api, {.collection = "runs", .id = id, .noun = "tune", .line = progress_line}));
    const auto state = text_in(run, "state");
    if (context.json) {
        print_json(run);
    } else {
        const auto name = state == "succeeded" ? text_in(run, "name") : std::string();
        std::cout << fmt::format("{} {}{}{}\n", id, state, name.empty() ? "" : ": ", name);
        for (const auto& line : evaluation_lines(run.value("evaluation", nlohmann::json()))) {
            std::cout << "  " << line << '\n';
        }
    }
    if (state == "succeeded") {
        return 0;
    }
    const auto fault = state == "refused"     ? Fault::conflict
                       : state == "cancelled" ? Fault::unavailable
                                              : Fault::internal;
    const std::string advice = text_in(run, "advice");
    return core::fail(fault, fmt::format("{} {}: {}", id, state, text_in(run, "reason")),
                      {.hint = advice.empty() ? context.command("tune logs " + id) : advice});
}

Result<void> print_log(const Context& context, Api& api, const std::string& target, Follow follow) {
    LogText out(context, follow);
    std::uint64_t offset = 0;
    core::Deadline away(context.clock, k_away);
    while (true) {
        const auto told = api.get(fmt::format("{}&offset={}", target, offset));
        if (!told && offset > 0 && follow == Follow::yes && !away.passed() &&
            told.error().fault == Fault::unavailable) {
            std::this_thread::sleep_for(k_look_again);  // a sustd that was killed comes back
            continue;
        }
        const auto chunk = TRY(told);
        away = core::Deadline(context.clock, k_away);
        const bool wanted = out.add(text_in(chunk, "text"));
        const auto next = chunk.value("next_offset", offset);
        const bool moved = next != offset;
        offset = next;
        if (chunk.value("complete", false) || (!moved && follow == Follow::no) || !wanted) {
            out.finish();
            return {};
        }
        if (!moved) {
            std::this_thread::sleep_for(k_look_again);
        }
    }
}

}  // namespace sust::cli
