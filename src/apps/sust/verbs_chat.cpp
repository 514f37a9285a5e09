#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/sust/api.h"
#include "apps/sust/print.h"
#include "core/http_client.h"
#include "core/text.h"

namespace sust::cli {
namespace {

constexpr auto k_stall = std::chrono::seconds(120);

struct Gateway {
    core::http::TcpAddress address;
    std::string key;
};

// The key: a file that is named, or the only one that `sust key create` left.
Result<std::string> find_key(const Context& context, const Arguments& arguments) {
    const core::Path folder = context.places.config / "keys";
    core::Path file = arguments.get("--key-file").value_or("");
    std::error_code error;
    if (file.empty()) {
        for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
            file = file.empty() || entry.path() < file ? entry.path() : file;
        }
    }
    if (file.empty()) {
        return core::fail(Fault::denied, "there is no API key here",
                          {.hint = "sust key create --name NAME"});
    }
    return std::string(core::trim(TRY(core::read_file(file, 4096))));
}

Result<Gateway> find_gateway(const Context& context, const Arguments& arguments) {
    const auto text = TRY(core::read_file_if_any(context.places.run / "gateway.json", 4096));
    const auto json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    if (!json.is_object()) {
        return core::fail(Fault::unavailable, "no gateway runs here", {.hint = "sust up"});
    }
    return Gateway{{json.value("address", "127.0.0.1"), json.value("port", std::uint16_t{0})},
                   TRY(find_key(context, arguments))};
}

// One answer, printed as it comes and returned whole.
Result<std::string> ask(core::http::Client& client, const Gateway& gateway,
                        const nlohmann::json& body) {
    const core::http::Request request{.method = "POST",
                                      .target = "/v1/chat/completions",
                                      .headers = {{"Content-Type", "application/json"},
                                                  {"Authorization", "Bearer " + gateway.key}},
                                      .body = body.dump()};
    std::string answer;
    std::string trouble;
    core::http::EventParser parser;
    const auto on_event = [&](const core::http::Event& event) {
        const auto json = nlohmann::json::parse(event.data, nullptr, false);
        if (json.is_object() && json.contains("error")) {
            trouble = json["error"].value("message", "the stream broke");
        }
        if (!json.is_object() || !json.contains("choices") || json["choices"].empty()) {
            return;
        }
        const auto delta = json["choices"][0].value("delta", nlohmann::json::object());
        if (delta.contains("content") && delta["content"].is_string()) {
            const auto text = delta["content"].get<std::string>();
            answer += text;
            std::cout << text << std::flush;
        }
    };
    const auto response = TRY(client.stream(
        request, k_stall, [&](std::string_view piece) { return parser.feed(piece, on_event); }));
    if (response.status >= 400) {
        return tl::unexpected<core::Error>(core::http::error_of(response));
    }
    if (!trouble.empty()) {
        return core::fail(Fault::unavailable, trouble);
    }
    std::cout << '\n';
    return answer;
}

Result<int> chat(Context& context, const Arguments& arguments) {
    const auto gateway = TRY(find_gateway(context, arguments));
    const auto max_tokens = TRY(arguments.integer("--max-tokens")).value_or(256);
    const bool terminal = ::isatty(STDIN_FILENO) != 0;
    core::http::Client client(context.clock, gateway.address);
    auto messages = nlohmann::json::array();
    if (const auto system = arguments.get("--system")) {
        messages.push_back({{"role", "system"}, {"content", *system}});
    }
    if (terminal) {
        std::cerr << fmt::format("talking to {}; end with Ctrl-D\n", arguments.one("MODEL"));
    }
    std::string line;
    while ((terminal ? std::cerr << "> " << std::flush : std::cerr), std::getline(std::cin, line)) {
        if (core::trim(line).empty()) {
            continue;
        }
        messages.push_back({{"role", "user"}, {"content", line}});
        const auto answer = TRY(ask(client, gateway,
                                    {{"model", arguments.one("MODEL")},
                                     {"messages", messages},
                                     {"stream", true},
                                     {"max_tokens", max_tokens}}));
        messages.push_back({{"role", "assistant"}, {"content", answer}});
    }
    return 0;
}

}  // namespace

std::vector<Verb> chat_verbs() {
    return {
        {.path = "chat",
         .summary = "a prompt on the terminal; answers stream; lines may also come from a pipe",
         .positionals = {{"MODEL", "the model", Count::one, Completes::models}},
         .options = {{"--system", "TEXT", "a system message first"},
                     {"--max-tokens", "N", "the longest answer (256)"},
                     {"--key-file", "FILE", "the API key; without it the first of sust key create",
                      Count::optional, Completes::files}},
         .examples = {"sust chat triage", "echo 'my home directory is full' | sust chat triage"},
         .run = chat}};
}

}  // namespace sust::cli
