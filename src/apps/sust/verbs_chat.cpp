#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/sust/key_files.h"
#include "apps/sust/print.h"
#include "core/http_client.h"
#include "core/text.h"

namespace sust::cli {
namespace {

constexpr auto k_stall = std::chrono::seconds(120);

// What one stream said.
struct Answer {
    std::string content;
    nlohmann::json finish_reason;
    nlohmann::json usage;
    std::string trouble;
};

void take(const core::http::Event& event, Answer& answer, bool show) {
    const auto json = nlohmann::json::parse(event.data, nullptr, false);
    if (!json.is_object()) {
        return;
    }
    if (json.contains("error")) {
        const auto said = json["error"].is_object() ? text_in(json["error"], "message") : "";
        answer.trouble = said.empty() ? "the stream broke" : said;
    }
    if (json.contains("usage") && json["usage"].is_object()) {
        answer.usage = json["usage"];
    }
    const auto choices = json.value("choices", nlohmann::json::array());
    if (!choices.is_array() || choices.empty()) {
        return;
    }
    if (const auto reason = text_in(choices[0], "finish_reason"); !reason.empty()) {
        answer.finish_reason = reason;
    }
    const auto text = text_in(choices[0].value("delta", nlohmann::json::object()), "content");
    answer.content += text;
    if (show) {
        std::cout << text << std::flush;
    }
}

class Chat {
  public:
    static Result<Chat> open(const Context& context, const Arguments& arguments);

    // One question with all that was said before; printed as it comes unless JSON is wanted.
    Result<Answer> ask(const std::string& question);

  private:
    Chat(const Context& context, core::http::TcpAddress gateway)
        : context_(&context), client_(context.clock, std::move(gateway)) {}
    Result<Answer> ask_with(const std::string& key, const nlohmann::json& body);

    const Context* context_;
    core::http::Client client_;
    std::vector<core::Path> keys_;  // the one that is used is the first
    std::string model_;
    std::int64_t max_tokens_ = 0;
    nlohmann::json messages_ = nlohmann::json::array();
};

Result<core::http::TcpAddress> find_gateway(const Context& context) {
    const auto text = TRY(core::read_file_if_any(context.places.run / "gateway.json", 4096));
    const auto json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    if (!json.is_object()) {
        return core::fail(Fault::unavailable, "no gateway runs here",
                          {.hint = context.command("up")});
    }
    return core::http::TcpAddress{text_in(json, "address"), json.value("port", std::uint16_t{0})};
}

Result<Chat> Chat::open(const Context& context, const Arguments& arguments) {
    Chat chat(context, TRY(find_gateway(context)));
    chat.model_ = arguments.one("MODEL");
    chat.max_tokens_ = TRY(arguments.integer("--max-tokens")).value_or(256);
    if (const auto system = arguments.get("--system")) {
        chat.messages_.push_back({{"role", "system"}, {"content", *system}});
    }
    const auto file = arguments.get("--key-file");
    chat.keys_ = file ? std::vector<core::Path>{*file} : key_files(context);
    if (chat.keys_.empty()) {
        return core::fail(Fault::denied, "there is no API key here",
                          {.hint = context.command("key create --name NAME")});
    }
    return chat;
}

Result<Answer> Chat::ask_with(const std::string& key, const nlohmann::json& body) {
    const core::http::Request request{
        .method = "POST",
        .target = "/v1/chat/completions",
        .headers = {{"Content-Type", "application/json"}, {"Authorization", "Bearer " + key}},
        .body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
    Answer answer;
    core::http::EventParser parser;
    const auto response = TRY(client_.stream(request, k_stall, [&](std::string_view piece) {
        return parser.feed(piece, [&](const auto& event) { take(event, answer, !context_->json); });
    }));
    if (response.status >= 400) {
        return tl::unexpected<core::Error>(core::http::error_of(response));
    }
    return answer;
}

// A key that was revoked is denied, one of other models does not see this one: then it is the next
// one's turn, and the first trouble is told if there is none that may.
Result<Answer> Chat::ask(const std::string& question) {
    messages_.push_back({{"role", "user"}, {"content", question}});
    const nlohmann::json body{{"model", model_},
                              {"messages", messages_},
                              {"stream", true},
                              {"stream_options", {{"include_usage", true}}},
                              {"max_tokens", max_tokens_}};
    std::optional<core::Error> first;
    for (; !keys_.empty(); keys_.erase(keys_.begin())) {
        auto answer = ask_with(TRY(read_key(keys_.front())), body);
        if (answer && !answer->trouble.empty()) {
            return core::fail(Fault::unavailable, answer->trouble);
        }
        if (answer) {
            messages_.push_back({{"role", "assistant"}, {"content", answer->content}});
            return answer;
        }
        const auto& error = answer.error();
        if (error.fault != Fault::denied && error.fault != Fault::not_found) {
            return answer;
        }
        // Of a key that is good the trouble says more than of one that is not.
        if (!first || (first->fault == Fault::denied && error.fault == Fault::not_found)) {
            first = error;
        }
    }
    if (first && first->hint.empty()) {
        first->hint = first->fault == Fault::denied
                          ? context_->command("key create --name NAME")
                          : context_->command("serve ls") + " shows the models that are served";
    }
    return tl::unexpected<core::Error>(first.value_or(core::Error{}));
}

Result<int> chat(Context& context, const Arguments& arguments) {
    auto chat = TRY(Chat::open(context, arguments));
    const auto& model = arguments.one("MODEL");
    const bool terminal = ::isatty(STDIN_FILENO) != 0;
    if (terminal) {
        std::cerr << fmt::format("talking to {}; end with Ctrl-D\n", model);
    }
    std::string line;
    while ((terminal ? std::cerr << "> " << std::flush : std::cerr), std::getline(std::cin, line)) {
        if (core::trim(line).empty()) {
            continue;
        }
        const auto answer = TRY(chat.ask(line));
        if (context.json) {
            print_json({{"model", model},
                        {"content", answer.content},
                        {"finish_reason", answer.finish_reason},
                        {"usage", answer.usage}},
                       JsonForm::line);
        } else {
            std::cout << std::endl;
        }
    }
    return 0;
}

}  // namespace

std::vector<Verb> chat_verbs() {
    return {
        {.path = "chat",
         .summary = "a prompt on the terminal; answers stream; each line of a pipe is a question",
         .positionals = {{"MODEL", "the model", Count::one, Completes::models}},
         .options = {{"--system", "TEXT", "a system message first"},
                     {"--max-tokens", "N", "the longest answer (256)"},
                     {"--key-file", "FILE",
                      "the API key; without it the first of sust key create that may",
                      Count::optional, Completes::files}},
         .examples = {"sust chat triage", "echo 'my home directory is full' | sust chat triage",
                      "echo 'my home directory is full' | sust --json chat triage"},
         .run = chat}};
}

}  // namespace sust::cli
