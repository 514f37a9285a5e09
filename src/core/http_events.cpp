#include "core/http_events.h"

namespace sust::core::http {

namespace {
constexpr std::size_t k_max_event_bytes = 1 << 20;
}  // namespace

std::string encode(const Event& event) {
    std::string out;
    if (event.event != "message") {
        out += "event: " + event.event + "\n";
    }
    std::string_view rest = event.data;
    while (true) {
        const auto end = rest.find('\n');
        out.append("data: ").append(rest.substr(0, end)).append("\n");
        if (end == std::string_view::npos) {
            break;
        }
        rest.remove_prefix(end + 1);
    }
    return out + "\n";
}

bool EventParser::feed(std::string_view piece, const std::function<void(const Event&)>& on_event) {
    while (!piece.empty()) {
        if (after_carriage_return_ && piece.front() == '\n') {
            piece.remove_prefix(1);  // the second half of \r\n
        }
        after_carriage_return_ = false;
        const auto end = piece.find_first_of("\r\n");
        const auto part = piece.substr(0, end);
        if (line_.size() + part.size() + pending_.data.size() > k_max_event_bytes) {
            return false;
        }
        line_.append(part);
        if (end == std::string_view::npos) {
            break;
        }
        after_carriage_return_ = piece[end] == '\r';
        take_line(line_, on_event);
        line_.clear();
        piece.remove_prefix(end + 1);
    }
    return true;
}

void EventParser::take_line(std::string_view line,
                            const std::function<void(const Event&)>& on_event) {
    if (line.empty()) {
        if (has_data_) {
            pending_.data.pop_back();  // the line end after the last data field
            on_event(pending_);
        }
        pending_ = Event{};
        has_data_ = false;
        return;
    }
    const auto colon = line.find(':');
    const auto field = line.substr(0, colon);
    auto value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) {
        value.remove_prefix(1);
    }
    if (field == "data") {
        pending_.data.append(value).push_back('\n');
        has_data_ = true;
    } else if (field == "event") {
        pending_.event = value.empty() ? "message" : std::string(value);
    }
}

}  // namespace sust::core::http
