#include "tune/data_line.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::tune {

namespace {

using nlohmann::json;

// Examples are shallow; this bounds what a hostile line makes the parser build.
constexpr int k_max_depth = 32;

std::optional<LineProblem> too_deep(std::string_view line) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > k_max_depth) {
                return LineProblem{.column = i + 1,
                                   .reason = fmt::format("nested over {} deep", k_max_depth)};
            }
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return {};
}

// Bytes of the first character; 0: it is not one.
std::size_t character_length(std::string_view text) {
    for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
        if (core::is_utf8(text.substr(0, length))) {
            return length;
        }
    }
    return 0;
}

std::optional<LineProblem> not_utf8(std::string_view line) {
    if (core::is_utf8(line)) {
        return {};
    }
    std::size_t at = 0;
    for (std::size_t length = 1; length > 0; at += length) {
        length = character_length(line.substr(at));
    }
    return LineProblem{.column = at + 1, .reason = "not UTF-8 text"};
}

// What nlohmann says after its own prefix and position, which we tell in our own way.
std::string syntax_reason(const char* what) {
    std::string_view text(what);
    if (const auto at = text.find("column "); at != std::string_view::npos) {
        if (const auto colon = text.find(": ", at); colon != std::string_view::npos) {
            text.remove_prefix(colon + 2);
        }
    }
    return "not JSON: " + core::printable(text, 160);
}

struct Parsed {
    json value{};
    std::optional<LineProblem> problem{};
};

Parsed parse(std::string_view line) {
    try {
        return {.value = json::parse(line)};
    } catch (const json::parse_error& error) {
        return {.problem = LineProblem{.column = std::max<std::size_t>(error.byte, 1),
                                       .reason = syntax_reason(error.what())}};
    } catch (const json::exception& error) {
        return {.problem = LineProblem{.column = 1, .reason = syntax_reason(error.what())}};
    }
}

std::optional<LineProblem> problem(std::string reason) {
    return LineProblem{.reason = std::move(reason)};
}

std::string type_of(const json& value) {
    return value.is_number() ? "a number" : "a JSON " + std::string(value.type_name());
}

// Missing keys are often misspelt ones.
std::string missing(const json& object, std::string_view key) {
    std::vector<std::string> keys;
    for (const auto& [name, value] : object.items()) {
        keys.push_back(name);
    }
    const auto near = core::nearest(key, keys);
    return fmt::format("no \"{}\"", key) +
           (near ? fmt::format(" (is \"{}\" meant?)", core::printable(*near, 40)) : "");
}

std::optional<LineProblem> check_message(const json& message, std::size_t number) {
    if (!message.is_object()) {
        return problem(fmt::format("message {} is {}, not an object", number, type_of(message)));
    }
    if (!message.contains("role") || !message["role"].is_string()) {
        return problem(fmt::format(
            "message {}: {}", number,
            message.contains("role") ? "\"role\" is not text" : missing(message, "role")));
    }
    const auto& role = message["role"].get_ref<const std::string&>();
    if (role != "system" && role != "user" && role != "assistant" && role != "tool") {
        return problem(
            fmt::format("message {}: unknown role \"{}\" (system, user, assistant, tool)", number,
                        core::printable(role, 40)));
    }
    if (!message.contains("content")) {
        return problem(fmt::format("message {}: {}", number, missing(message, "content")));
    }
    if (!message["content"].is_string()) {
        return problem(fmt::format("message {}: \"content\" is {}, not text", number,
                                   type_of(message["content"])));
    }
    if (role == "system" && number != 1) {
        return problem(fmt::format("message {}: \"system\" may only be the first", number));
    }
    if (role == "assistant" &&
        core::trim(message["content"].get_ref<const std::string&>()).empty()) {
        return problem(fmt::format("message {}: the assistant says nothing", number));
    }
    return {};
}

LineFacts check_chat(const json& example) {
    LineFacts facts{.format = DataFormat::chat};
    const auto& messages = example["messages"];
    if (!messages.is_array() || messages.empty()) {
        facts.problem = problem(messages.is_array()
                                    ? "\"messages\" is empty"
                                    : "\"messages\" is " + type_of(messages) + ", not an array");
        return facts;
    }
    for (std::size_t i = 0; i < messages.size(); ++i) {
        if (facts.problem = check_message(messages[i], i + 1); facts.problem) {
            return facts;
        }
    }
    facts.turns = messages.size();
    if (messages.back()["role"] != "assistant") {
        facts.problem = problem("the last message is not the assistant's: nothing to learn");
    } else if (messages.size() < 2) {
        facts.problem = problem("the assistant answers nobody: a \"user\" message is missing");
    }
    return facts;
}

LineFacts check_completion(const json& example) {
    LineFacts facts{.format = DataFormat::completions};
    for (const auto* key : {"prompt", "completion"}) {
        if (!example.contains(key)) {
            facts.problem = problem(missing(example, key));
            return facts;
        }
        if (!example[key].is_string()) {
            facts.problem =
                problem(fmt::format("\"{}\" is {}, not text", key, type_of(example[key])));
            return facts;
        }
    }
    facts.turns = 1;
    if (core::trim(example["completion"].get_ref<const std::string&>()).empty()) {
        facts.problem = problem("\"completion\" is empty: nothing to learn");
    }
    return facts;
}

std::optional<DataFormat> told(const json& example) {
    if (example.contains("messages")) {
        return DataFormat::chat;
    }
    if (example.contains("prompt") || example.contains("completion")) {
        return DataFormat::completions;
    }
    return {};
}

LineFacts check_example(const json& example, std::optional<DataFormat> expected) {
    if (!example.is_object()) {
        return {.problem = problem("the line is " + type_of(example) + ", not an object")};
    }
    const auto format = told(example);
    if (format && expected && *format != *expected) {
        return {.problem = problem(fmt::format("a {} example among {}", to_string(*format),
                                               to_string(*expected)))};
    }
    if (!format && !expected) {
        return {.problem = problem("neither chat {\"messages\":[...]} nor completion "
                                   "{\"prompt\",\"completion\"}")};
    }
    if (!format && *expected == DataFormat::chat) {
        return {.problem = problem(missing(example, "messages"))};
    }
    return format.value_or(*expected) == DataFormat::chat ? check_chat(example)
                                                          : check_completion(example);
}

}  // namespace

LineFacts check_line(std::string_view line, std::optional<DataFormat> expected,
                     std::uint64_t number) {
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) {
        return {.problem =
                    LineProblem{.column = 1, .reason = "begins with a byte order mark; remove it"}};
    }
    if (core::trim(line).empty()) {
        return {.problem = problem("empty line; remove it")};
    }
    for (auto check : {not_utf8, too_deep}) {
        if (auto found = check(line)) {
            return {.problem = std::move(found)};
        }
    }
    auto parsed = parse(line);
    if (parsed.problem) {
        return {.problem = std::move(parsed.problem)};
    }
    return check_example(parsed.value, expected);
}

}  // namespace sust::tune
