#pragma once

// Server-sent events: text/event-stream in both directions.

#include <functional>
#include <string>
#include <string_view>

namespace sust::core::http {

struct Event {
    std::string event = "message";
    std::string data;
};

// "event: E\ndata: D\n\n"; every line of `data` becomes a data field.
std::string encode(const Event& event);

// Splits a text/event-stream into events (HTML living standard, 9.2.6); bounded buffer.
class EventParser {
  public:
    // False once a single event is over 1 MiB.
    bool feed(std::string_view piece, const std::function<void(const Event&)>& on_event);

  private:
    void take_line(std::string_view line, const std::function<void(const Event&)>& on_event);

    std::string line_;  // begun, not ended
    Event pending_;
    bool has_data_ = false;
    bool after_carriage_return_ = false;
};

}  // namespace sust::core::http
