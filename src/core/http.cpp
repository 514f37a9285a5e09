#include "core/http.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::core::http {

namespace {

using nlohmann::json;

// A name of 255 bytes, percent-encoded, and a query fit; more is not one of ours.
constexpr std::size_t k_max_target_bytes = 8 << 10;
constexpr std::size_t k_max_quoted_bytes = 200;

bool same_name(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

bool has_control(std::string_view text) {
    return std::ranges::any_of(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Result<std::string> decode_part(std::string_view text) {
    auto part = TRY(percent_decode(text));
    if (has_control(part) || !is_utf8(part)) {
        return fail(Fault::invalid, "control characters or bytes that are not UTF-8",
                    {.where = "request target"});
    }
    return part;
}

Result<void> add_parameter(std::map<std::string, std::string>& query, std::string_view pair) {
    const auto equals = pair.find('=');
    std::string value(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    std::ranges::replace(value, '+', ' ');  // as forms and browsers write a space
    auto key = TRY(decode_part(pair.substr(0, equals)));
    value = TRY(decode_part(value));
    if (!query.emplace(key, value).second) {
        return fail(Fault::invalid, "query parameter '" + printable(key) + "' is given twice");
    }
    return {};
}

std::string dump(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<Fault> fault_named(std::string_view name) {
    for (const auto fault :
         {Fault::invalid, Fault::denied, Fault::not_found, Fault::conflict, Fault::unavailable,
          Fault::timeout, Fault::exhausted, Fault::too_large, Fault::internal}) {
        if (to_string(fault) == name) {
            return fault;
        }
    }
    return {};
}

}  // namespace

std::optional<std::string_view> Headers::get(std::string_view name) const {
    const auto found = std::ranges::find_if(
        items_, [&](const Header& item) { return same_name(item.name, name); });
    return found == items_.end() ? std::nullopt : std::optional<std::string_view>(found->value);
}

void Headers::set(std::string_view name, std::string value) {
    remove(name);
    items_.push_back({std::string(name), std::move(value)});
}

void Headers::remove(std::string_view name) {
    std::erase_if(items_, [&](const Header& item) { return same_name(item.name, name); });
}

Result<Target> parse_target(std::string_view target) {
    if (target.size() > k_max_target_bytes) {
        return fail(Fault::too_large, "the request target is over 8 KiB");
    }
    if (!target.starts_with('/')) {
        return fail(Fault::invalid, "the request target does not begin with '/'");
    }
    Target parsed;
    const auto mark = target.find('?');
    if (const auto path = target.substr(1, mark == std::string_view::npos ? mark : mark - 1);
        !path.empty()) {
        for (const auto& part : split(path, '/')) {
            parsed.path.push_back(TRY(decode_part(part)));
        }
    }
    if (mark != std::string_view::npos) {
        for (const auto& pair : split(target.substr(mark + 1), '&')) {
            if (!pair.empty()) {
                TRY(add_parameter(parsed.query, pair));
            }
        }
    }
    return parsed;
}

Response json_response(int status, std::string body) {
    return {.status = status,
            .headers = {{"Content-Type", "application/json"}},
            .body = std::move(body)};
}

Response error_response(const Error& error, std::string_view request_id) {
    const json body = {{"error",
                        {{"fault", to_string(error.fault)},
                         {"message", error.message},
                         {"where", error.where},
                         {"hint", error.hint},
                         {"request_id", request_id}}}};
    return json_response(http_status(error.fault), dump(body));
}

Error error_of(const Response& response) {
    Error error{.fault = fault_of_http_status(response.status),
                .message = "HTTP status " + std::to_string(response.status)};
    const auto body = json::parse(response.body, nullptr, false);
    if (!body.is_object() || !body.contains("error")) {
        if (!response.body.empty()) {
            error.message += ": " + printable(response.body, k_max_quoted_bytes);
        }
        return error;
    }
    const auto& inner = body["error"];
    if (inner.is_string()) {
        error.message = inner.get<std::string>();
    } else if (inner.is_object()) {
        error.fault = fault_named(text_of(inner, "fault")).value_or(error.fault);
        if (const auto message = text_of(inner, "message"); !message.empty()) {
            error.message = message;
        }
        error.where = text_of(inner, "where");
        error.hint = text_of(inner, "hint");
    }
    return error;
}

}  // namespace sust::core::http
