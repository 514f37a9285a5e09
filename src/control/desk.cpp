#include "control/desk.h"

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::control {

using nlohmann::json;

namespace {
constexpr std::int64_t k_page = 100;
constexpr std::int64_t k_max_page = 1000;
}  // namespace

Desk::Desk(Parts parts_in)
    : parts(std::move(parts_in)),
      answers(parts.database, parts.clock),
      usage(parts.database, parts.places.ledger()),
      followers(parts.loop, parts.runs),
      job_followers(parts.loop, parts.jobs),
      waiters(parts.loop, parts.fleet, parts.keys),
      started(parts.clock.wall()) {}

std::string Ask::parameter(const std::string& key) const {
    const auto found = query.find(key);
    return found == query.end() ? std::string() : found->second;
}

Result<std::int64_t> Ask::number(const std::string& key, std::int64_t otherwise, std::int64_t low,
                                 std::int64_t high) const {
    const auto text = parameter(key);
    if (text.empty()) {
        return otherwise;
    }
    const auto value = core::parse_integer(text);
    if (!value || *value < low || *value > high) {
        return fail(Fault::invalid,
                    "'" + key + "' is to be a number from " + std::to_string(low) + " to " +
                        std::to_string(high),
                    {.where = "query"});
    }
    return *value;
}

Response json_answer(int status, const json& body) {
    return core::http::json_response(status,
                                     body.dump(-1, ' ', false, json::error_handler_t::replace));
}

void finish(const ExchangePtr& exchange, Result<Response> response) {
    exchange->respond(response
                          ? std::move(*response)
                          : core::http::error_response(response.error(), exchange->request_id()));
}

Result<Response> page(const Ask& ask, const json& items, const char* key) {
    const auto limit = static_cast<std::size_t>(TRY(ask.number("limit", k_page, 1, k_max_page)));
    const auto after = ask.parameter("after");
    json taken = json::array();
    json next;
    for (const auto& item : items) {
        if (!after.empty() && item[key].get<std::string>() <= after) {
            continue;
        }
        if (taken.size() == limit) {
            next = taken.back()[key];
            break;
        }
        taken.push_back(item);
    }
    return json_answer(200, {{"items", std::move(taken)}, {"next", std::move(next)}});
}

json log_json(const cluster::LogChunk& chunk, std::uint64_t offset) {
    std::string_view text = chunk.bytes;
    // A character may be cut in two by the end of the piece; its rest comes with the next one.
    if (!chunk.complete) {
        for (std::size_t cut = 0; cut < 4 && cut < text.size(); ++cut) {
            const auto byte = static_cast<unsigned char>(text[text.size() - 1 - cut]);
            if (byte < 0x80) {
                break;
            }
            if (byte >= 0xc0) {
                const std::size_t whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
                text.remove_suffix(cut + 1 < whole ? cut + 1 : 0);
                break;
            }
        }
    }
    const auto torn = chunk.bytes.size() - text.size();
    // Alone at the end of what is there, it would be waited for for ever.
    const bool stuck = text.empty() && torn > 0;
    return {{"text", stuck ? std::string_view(chunk.bytes) : text},
            {"next_offset", std::max(offset, chunk.next_offset - (stuck ? 0 : torn))},
            {"complete", chunk.complete}};
}

Result<cluster::Stream> stream_of(const std::string& name) {
    if (name == "out") {
        return cluster::Stream::out;
    }
    if (name == "err" || name.empty()) {
        return cluster::Stream::err;
    }
    return fail(Fault::invalid, "'stream' is to be out or err", {.where = "query"});
}

}  // namespace sust::control
