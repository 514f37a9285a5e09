// What arrives from outside in HTTP: requests, their targets, event streams, JSON errors.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/http.h"
#include "core/http_events.h"
#include "core/http_request_reader.h"

namespace {

using sust::core::http::Event;

// Length of the pieces; chosen by the input, so that the fuzzer chooses.
std::size_t cut(std::string_view text) {
    return text.empty() ? 1 : 1 + static_cast<unsigned char>(text.back()) % 64;
}

std::vector<Event> events_of(std::string_view text, std::size_t step) {
    sust::core::http::EventParser parser;
    std::vector<Event> events;
    for (std::size_t i = 0; i < text.size(); i += step) {
        if (!parser.feed(text.substr(i, step), [&](const Event& e) { events.push_back(e); })) {
            break;
        }
    }
    return events;
}

// Cut differently, an event stream says the same.
void check_events(std::string_view text) {
    const auto whole = events_of(text, text.size() + 1);
    const auto bytes = events_of(text, cut(text));
    if (whole.size() != bytes.size()) {
        std::abort();
    }
    for (std::size_t i = 0; i < whole.size(); ++i) {
        if (whole[i].event != bytes[i].event || whole[i].data != bytes[i].data) {
            std::abort();
        }
    }
}

struct Taken {
    std::string target, body;
    int status = 0;  // of a refusal
    bool done = false;
    bool operator==(const Taken&) const = default;
};

Taken take_request(std::string_view text, std::size_t step) {
    sust::core::http::RequestReader reader(16 << 10);
    Taken taken;
    reader.on_body = [&](std::string_view piece) -> sust::core::Result<void> {
        taken.body.append(piece);
        return {};
    };
    std::string input;
    for (std::size_t i = 0; i < text.size() && !reader.is_done(); i += step) {
        input.append(text.substr(i, step));
        // Twice: the header, then what there is of the body.
        for (int part = 0; part < 2; ++part) {
            if (const auto refusal = reader.take(input)) {
                taken.status = refusal->status;
                return taken;
            }
        }
    }
    taken.done = reader.is_done();
    taken.target = reader.request().target;
    return taken;
}

// Cut differently, a request that is whole is the same.
void check_request(std::string_view text) {
    const auto whole = take_request(text, text.size() + 1);
    const auto bytes = take_request(text, cut(text));
    if (whole.done != bytes.done || (whole.done && whole != bytes)) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)sust::core::http::parse_target(text);
    check_events(text);
    check_request(text);
    const auto error =
        sust::core::http::error_of({.status = 500, .headers = {}, .body = std::string(text)});
    // What was read can be said again.
    if (sust::core::http::error_of(sust::core::http::error_response(error, "req-x")).fault !=
        error.fault) {
        std::abort();
    }
    return 0;
}
