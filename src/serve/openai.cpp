#include "serve/openai.h"

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::serve {

using nlohmann::json;

namespace {

constexpr std::string_view k_invalid_type = "invalid_request_error";
constexpr std::string_view k_server_type = "server_error";
constexpr std::size_t k_shown_models = 20;
constexpr std::size_t k_shown_answer = 300;

ApiError make(int status, std::string_view type, std::string_view code, std::string message) {
    return {.status = status,
            .type = std::string(type),
            .code = std::string(code),
            .param = {},
            .message = std::move(message)};
}

ApiError later(ApiError error, int seconds) {
    error.retry_after = seconds;
    return error;
}

json null_if_empty(const std::string& text) {
    return text.empty() ? json(nullptr) : json(text);
}

std::string dump(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json model_json(const ListedModel& model) {
    return {
        {"id", model.name}, {"object", "model"}, {"created", model.created}, {"owned_by", "sust"}};
}

std::string type_of_status(int status) {
    switch (status) {
        case 401:
        case 403:
            return "authentication_error";
        case 429:
            return "rate_limit_error";
        case 501:
            return "not_supported_error";
        default:
            return std::string(status < 500 ? k_invalid_type : k_server_type);
    }
}

}  // namespace

std::string error_body(const ApiError& error) {
    return dump({{"error",
                  {{"message", error.message},
                   {"type", error.type},
                   {"param", null_if_empty(error.param)},
                   {"code", null_if_empty(error.code)}}}});
}

std::string error_event(const ApiError& error) {
    return "data: " + error_body(error) + "\n\n";
}

ApiError invalid_request(const core::Error& error) {
    const bool at_position = error.where.starts_with("byte ");
    auto out = make(core::http_status(error.fault), k_invalid_type,
                    at_position ? "invalid_json" : "invalid_parameter",
                    at_position ? error.message + " at " + error.where : error.message);
    if (!at_position) {
        out.param = error.where;
    }
    return out;
}

ApiError unreadable_http(const core::Error& error) {
    return make(error.fault == core::Fault::too_large ? 431 : 400, k_invalid_type, "invalid_http",
                error.message);
}

ApiError no_key() {
    return make(401, k_invalid_type, "missing_api_key",
                "no API key was given; send `Authorization: Bearer sust_...`");
}

ApiError wrong_key() {
    return make(401, k_invalid_type, "invalid_api_key", "the API key is not known, or was revoked");
}

ApiError denied(std::string message) {
    return make(403, k_invalid_type, "insufficient_permissions", std::move(message));
}

ApiError unknown_model(std::string_view model, const std::vector<std::string>& existing) {
    std::string message = "the model '" + core::printable(model) + "' does not exist";
    if (existing.empty()) {
        message += "; no model is served to this key";
    } else {
        const auto shown = std::min(existing.size(), k_shown_models);
        message += "; there is: " + core::join(std::span(existing).first(shown), ", ");
        if (shown < existing.size()) {
            message += ", ... (" + std::to_string(existing.size()) + " in all)";
        }
    }
    auto error = make(404, k_invalid_type, "model_not_found", std::move(message));
    error.param = "model";
    return error;
}

ApiError private_parameter(std::string_view field) {
    const auto shown = core::printable(field);
    auto error = make(400, k_invalid_type, "unsupported_parameter",
                      "'" + shown + "' is a field of the engine's own and is not accepted here");
    error.param = shown;
    return error;
}

ApiError body_too_large(std::size_t limit) {
    return make(413, k_invalid_type, "request_too_large",
                "the body is over the limit of " + core::format_size(limit));
}

ApiError no_such_path(std::string_view method, std::string_view path) {
    return make(
        404, k_invalid_type, "unknown_url",
        "unknown request URL: " + core::printable(method, 16) + " " + core::printable(path));
}

ApiError wrong_method(std::string_view allowed) {
    auto error = make(405, k_invalid_type, "method_not_allowed",
                      "this URL takes " + std::string(allowed) + " only");
    error.allow = allowed;
    return error;
}

ApiError queue_full(int retry_after) {
    return later(
        make(429, "rate_limit_error", "queue_full", "too many requests are waiting for a replica"),
        retry_after);
}

ApiError no_replica(std::string_view model, int retry_after) {
    return later(make(503, k_server_type, "no_replica",
                      "no replica of '" + core::printable(model) + "' is ready"),
                 retry_after);
}

ApiError waited_too_long(int seconds, int retry_after) {
    return later(make(503, k_server_type, "queue_timeout",
                      "no replica became free within " + std::to_string(seconds) + " s"),
                 retry_after);
}

ApiError engine_lost(bool answering) {
    return answering ? make(502, k_server_type, "engine_lost",
                            "the engine ended before the answer was complete")
                     : later(make(503, k_server_type, "engine_unreachable",
                                  "no replica took the request"),
                             1);
}

ApiError engine_silent() {
    return make(504, k_server_type, "engine_timeout", "the engine stopped answering");
}

ApiError engine_garbage(const core::Error& error) {
    return make(502, k_server_type, "engine_protocol",
                "the engine's answer cannot be read: " + error.message);
}

ApiError usage_not_recorded() {
    return later(make(503, k_server_type, "ledger_full",
                      "usage cannot be recorded at the moment, so nothing is generated"),
                 5);
}

ApiError stopping() {
    return later(make(503, k_server_type, "stopping", "this gateway is stopping"), 1);
}

ApiError from_engine(int status, std::string_view body) {
    ApiError error = make(status, type_of_status(status), "", "");
    const auto answer = json::parse(body, nullptr, false);
    const auto* inner = &answer;
    if (answer.is_object() && answer.contains("error")) {
        inner = &answer["error"];
    }
    if (inner->is_string()) {
        error.message = inner->get<std::string>();
    } else if (inner->is_object()) {
        const auto text = [&](const char* name) {
            const auto found = inner->find(name);
            return found != inner->end() && found->is_string() ? found->get<std::string>() : "";
        };
        error.message = text("message");
        error.code = text("code");
        error.param = text("param");
        if (auto type = text("type"); !type.empty()) {
            error.type = std::move(type);
        }
    }
    if (error.message.empty()) {
        error.message = "the engine answered " + std::to_string(status) + ": " +
                        core::printable(body, k_shown_answer);
    }
    return error;
}

std::string models_body(const std::vector<ListedModel>& models) {
    json data = json::array();
    for (const auto& model : models) {
        data.push_back(model_json(model));
    }
    return dump({{"object", "list"}, {"data", std::move(data)}});
}

std::string model_body(const ListedModel& model) {
    return dump(model_json(model));
}

}  // namespace sust::serve
