#pragma once

// The relay of one answer: `model` is put back to the name that the client used, usage is read,
// and everything else passes byte for byte. No sockets here: bytes in, bytes out.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "serve/request_edit.h"

namespace sust::serve {

inline constexpr std::size_t k_max_event_bytes = 1 << 20;

struct Usage {
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    bool operator==(const Usage&) const = default;
};

// A stream of events (text/event-stream), at most one of which is held back.
class SseRelay {
  public:
    SseRelay(std::string model, UsageWish wish);

    // Appends to `out` the events that are complete. invalid: an event that is neither a comment,
    // [DONE] nor a JSON object; too_large: one over k_max_event_bytes.
    core::Result<void> feed(std::string_view bytes, std::string& out);

    // Nothing of an unfinished event is held.
    bool at_boundary() const { return held_.empty(); }
    const std::optional<Usage>& usage() const { return usage_; }
    // Events that carried text (or a part of a tool call): a token each, or nearly.
    std::int64_t content_events() const { return content_events_; }
    bool done() const { return done_; }

  private:
    core::Result<void> event(std::string_view raw, std::string& out);
    core::Result<void> data(std::string_view json, std::string& out);

    std::string quoted_model_;
    UsageWish wish_;
    std::string held_;
    std::optional<Usage> usage_;
    std::int64_t content_events_ = 0;
    bool done_ = false;
};

struct EditedAnswer {
    std::string body;
    std::optional<Usage> usage;
};

// A whole JSON answer. invalid: not a JSON object.
core::Result<EditedAnswer> edit_answer(std::string_view body, std::string_view model);

}  // namespace sust::serve
