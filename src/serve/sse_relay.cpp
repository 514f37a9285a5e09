#include "serve/sse_relay.h"

#include <algorithm>
#include <vector>

namespace sust::serve {

using core::fail;
using core::Fault;
using core::Result;

namespace {

std::optional<Usage> read_usage(std::string_view json, const JsonMember* member) {
    if (member == nullptr || member->kind != JsonKind::object) {
        return std::nullopt;
    }
    const auto inner = members_of(json, member->value);
    const auto count = [&](std::string_view name) {
        const auto* field = find_member(json, inner, name);
        return field == nullptr ? 0 : as_count(field->value.in(json)).value_or(0);
    };
    return Usage{.prompt_tokens = count("prompt_tokens"),
                 .completion_tokens = count("completion_tokens")};
}

bool has_text(std::string_view json, const std::vector<JsonMember>& members,
              std::string_view name) {
    const auto* member = find_member(json, members, name);
    return member != nullptr && member->value.size() > 2 &&
           (member->kind == JsonKind::string || member->kind == JsonKind::array);
}

// A chat chunk has its text in choices[0].delta, a completion chunk in choices[0].text.
bool carries_content(std::string_view json, Span choices) {
    const auto choice = first_element(json, choices);
    if (!choice || choice->kind != JsonKind::object) {
        return false;
    }
    const auto members = members_of(json, choice->value);
    const auto* delta = find_member(json, members, "delta");
    if (delta == nullptr || delta->kind != JsonKind::object) {
        return has_text(json, members, "text");
    }
    const auto inner = members_of(json, delta->value);
    return has_text(json, inner, "content") || has_text(json, inner, "reasoning_content") ||
           has_text(json, inner, "tool_calls");
}

void replace_model(std::string_view json, const std::vector<JsonMember>& members,
                   std::string_view quoted_model, std::string& out) {
    std::size_t at = 0;
    for (const auto& member : members) {
        if (member.kind == JsonKind::string && member_name(json, member) == "model") {
            out.append(json, at, member.value.begin - at);
            out += quoted_model;
            at = member.value.end;
        }
    }
    out.append(json, at);
}

// The line at the front of `text`, with its end.
std::string_view take_line(std::string_view& text) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end == std::string_view::npos ? text.size() : end + 1);
    text.remove_prefix(line.size());
    return line;
}

std::string_view without_end(std::string_view line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
        line.remove_suffix(1);
    }
    return line;
}

// The value of a `data` line, if it is one.
std::optional<std::string_view> data_of(std::string_view line) {
    line = without_end(line);
    if (line == "data") {
        return std::string_view();
    }
    if (!line.starts_with("data:")) {
        return std::nullopt;
    }
    line.remove_prefix(5);
    if (line.starts_with(' ')) {
        line.remove_prefix(1);
    }
    return line;
}

// Where the event at the front of `text` ends: after its blank line. `from` was searched before.
std::size_t event_end(std::string_view text, std::size_t from) {
    for (auto at = text.find('\n', from); at != std::string_view::npos;
         at = text.find('\n', at + 1)) {
        const auto line_start = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
        if (without_end(text.substr(line_start, at - line_start)).empty()) {
            return at + 1;
        }
    }
    return std::string_view::npos;
}

}  // namespace

SseRelay::SseRelay(std::string model, UsageWish wish) : quoted_model_(quote(model)), wish_(wish) {}

Result<void> SseRelay::feed(std::string_view bytes, std::string& out) {
    // The usual read is whole events with nothing held: no copy is made of them.
    std::size_t searched = held_.size();
    if (!held_.empty()) {
        held_ += bytes;
        bytes = held_;
    }
    std::size_t used = 0;
    for (;;) {
        const auto rest = bytes.substr(used);
        const auto end = event_end(rest, searched > used ? searched - used : 0);
        if (end == std::string_view::npos) {
            break;
        }
        TRY(event(rest.substr(0, end), out));
        used += end;
    }
    std::string left(bytes.substr(used));
    held_ = std::move(left);
    if (held_.size() > k_max_event_bytes) {
        return fail(Fault::too_large, "the engine sent an event of more than 1 MiB");
    }
    return {};
}

Result<void> SseRelay::event(std::string_view raw, std::string& out) {
    std::string joined;
    std::string_view only;
    int data_lines = 0;
    for (auto rest = raw; !rest.empty();) {
        if (const auto value = data_of(take_line(rest))) {
            only = *value;
            // A line end between the parts is white space to JSON.
            joined.append(data_lines > 0 ? 1 : 0, ' ').append(*value);
            ++data_lines;
        }
    }
    if (data_lines == 0) {
        out += raw;
        return {};
    }
    const std::string_view json = data_lines == 1 ? only : std::string_view(joined);
    if (json == "[DONE]") {
        done_ = true;
        out += raw;
        return {};
    }
    std::string edited;
    TRY(data(json, edited));
    if (edited.empty()) {
        return {};
    }
    bool written = false;
    for (auto rest = raw; !rest.empty();) {
        const auto line = take_line(rest);
        if (!data_of(line)) {
            out += line;
        } else if (!written) {
            out += "data: " + edited;
            out += line.substr(without_end(line).size());
            written = true;
        }
    }
    return {};
}

// Leaves `out` empty when the event is not for the client.
Result<void> SseRelay::data(std::string_view json, std::string& out) {
    const auto members = TRY(scan_object(json));
    const auto* choices = find_member(json, members, "choices");
    const bool has_choices = choices != nullptr && choices->kind == JsonKind::array;
    if (auto usage = read_usage(json, find_member(json, members, "usage"))) {
        usage_ = usage;
        if (wish_ == UsageWish::drop && has_choices && !first_element(json, choices->value)) {
            return {};
        }
    }
    if (has_choices && carries_content(json, choices->value)) {
        ++content_events_;
    }
    replace_model(json, members, quoted_model_, out);
    return {};
}

Result<EditedAnswer> edit_answer(std::string_view body, std::string_view model) {
    const auto members = TRY(scan_object(body));
    EditedAnswer answer;
    answer.usage = read_usage(body, find_member(body, members, "usage"));
    answer.body.reserve(body.size() + model.size());
    replace_model(body, members, quote(model), answer.body);
    return answer;
}

}  // namespace sust::serve
