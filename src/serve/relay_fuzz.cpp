// Whatever an engine streams and a client sends, the relay and the edit of a request keep their
// promises: the same output wherever the bytes are cut, and an edited request that is JSON again.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "serve/request_edit.h"
#include "serve/sse_relay.h"
#include "serve/wire.h"

namespace {

using namespace sust::serve;

void check(bool held) {
    if (!held) {
        std::abort();
    }
}

void relay(std::string_view bytes, std::size_t cut) {
    SseRelay whole("model", UsageWish::drop);
    SseRelay parts("model", UsageWish::drop);
    std::string at_once;
    std::string in_two;
    const bool fed = static_cast<bool>(whole.feed(bytes, at_once));
    const bool first = static_cast<bool>(parts.feed(bytes.substr(0, cut), in_two));
    const bool second = first && static_cast<bool>(parts.feed(bytes.substr(cut), in_two));
    check(fed == second);
    check(at_once == in_two);
    check(whole.usage() == parts.usage() && whole.content_events() == parts.content_events());
}

void edit(std::string_view body) {
    const auto facts = inspect_request(body);
    if (!facts) {
        return;
    }
    const auto edited = edit_request(
        body, *facts, {.name = "n", .engine_name = "E", .select_json = R"({"x_select":[1]})"});
    const auto again = inspect_request(edited);
    check(again.has_value());
    check(again->model == "E");
    check(again->stream == facts->stream);
    check(!facts->stream || again->usage == UsageWish::pass);
    check(private_field(edited, *again, {"x_select"}).has_value());
    check(edit_answer(body, "m").has_value());
}

void read_http(std::string_view bytes) {
    RequestReader request;
    request.reset(1 << 16);
    ResponseReader response;
    for (auto rest = bytes; !rest.empty();) {
        const auto used = request.feed(rest);
        if (!used || *used == 0 || request.state() == RequestReader::State::done) {
            break;
        }
        rest.remove_prefix(*used);
    }
    if (response.feed(bytes)) {
        (void)response.feed_end().has_value();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
    const std::size_t cut = (data[1] * 256U + data[2]) % (bytes.size() + 1);
    switch (data[0] % 3) {
        case 0:
            relay(bytes, cut);
            break;
        case 1:
            edit(bytes);
            break;
        default:
            read_http(bytes);
            break;
    }
    return 0;
}
