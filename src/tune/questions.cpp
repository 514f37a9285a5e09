#include "tune/questions.h"

#include <memory>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

// White space in an answer may differ; a word more is wrong anyway.
constexpr std::size_t k_answer_slack_tokens = 32;

tl::unexpected<core::Error> no_example(std::string reason) {
    return fail(Fault::invalid, "an evaluation example: " + std::move(reason),
                {.hint = "sust data check FILE names the line"});
}

}  // namespace

Result<Question> question_of(std::string_view line) {
    const auto example = json::parse(line, nullptr, false);
    if (!example.is_object()) {
        return no_example("not a JSON object");
    }
    if (example.contains("completion")) {
        if (!example["completion"].is_string() || !example.contains("prompt") ||
            !example["prompt"].is_string()) {
            return no_example("no prompt and completion as text");
        }
        return Question{.format = DataFormat::completions,
                        .asked_json = example["prompt"].dump(),
                        .expected = example["completion"].get<std::string>()};
    }
    auto messages = example.value("messages", json::array());
    if (!messages.is_array() || messages.size() < 2 || !messages.back().is_object() ||
        !messages.back().value("content", json()).is_string()) {
        return no_example("no messages that end with an answer");
    }
    auto expected = messages.back()["content"].get<std::string>();
    messages.erase(messages.size() - 1);
    return Question{.asked_json = messages.dump(), .expected = std::move(expected)};
}

core::http::Request request_for(const Question& question, std::string_view engine_model,
                                std::string_view select_json) {
    json body{{"model", engine_model},
              {"temperature", 0},
              // A token is at least one byte.
              {"max_tokens", question.expected.size() + k_answer_slack_tokens}};
    const bool chat = question.format == DataFormat::chat;
    body[chat ? "messages" : "prompt"] = json::parse(question.asked_json, nullptr, false);
    if (const auto select = json::parse(select_json, nullptr, false); select.is_object()) {
        body.update(select);
    }
    return {.method = "POST",
            .target = chat ? "/v1/chat/completions" : "/v1/completions",
            .headers = {{"Content-Type", "application/json"}},
            .body = body.dump()};
}

Result<std::string> answer_in(const Question& question, std::string_view body) {
    const auto answer = json::parse(body, nullptr, false);
    const json::json_pointer path(question.format == DataFormat::chat ? "/choices/0/message/content"
                                                                      : "/choices/0/text");
    if (!answer.is_object() || !answer.contains(path) || !answer[path].is_string()) {
        return fail(Fault::internal, "the engine's answer has no text: " + core::printable(body));
    }
    return answer[path].get<std::string>();
}

bool is_right(std::string_view expected, std::string_view answer) {
    if (const auto value = json::parse(expected, nullptr, false); !value.is_discarded()) {
        const auto given = json::parse(answer, nullptr, false);
        return !given.is_discarded() && given == value;
    }
    return core::trim(expected) == core::trim(answer);
}

bool is_json(std::string_view text) {
    return json::accept(text);
}

Result<std::unique_ptr<QuestionReader>> QuestionReader::open(const Path& file, std::int64_t limit) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return core::fail_errno("open " + file.string(), errno);
    }
    std::int64_t total = 0;
    for (std::string line; (limit == 0 || total < limit) && std::getline(in, line);) {
        total += core::trim(line).empty() ? 0 : 1;
    }
    in.clear();
    in.seekg(0);
    return std::unique_ptr<QuestionReader>(new QuestionReader(std::move(in), total));
}

Result<std::optional<Question>> QuestionReader::next() {
    const std::lock_guard lock(mutex_);
    for (std::string line; given_ < total_ && std::getline(in_, line);) {
        if (!core::trim(line).empty()) {
            ++given_;
            return std::optional(TRY(question_of(line)));
        }
    }
    return std::optional<Question>();
}

}  // namespace sust::tune
