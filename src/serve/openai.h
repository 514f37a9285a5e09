#pragma once

// OpenAI's forms: error objects and the list of models.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace sust::serve {

// {"error":{"message","type","param","code"}} with its status; `retry_after` seconds where a
// later try may do.
struct ApiError {
    int status = 500;
    std::string type = "server_error";
    std::string code;   // empty: null
    std::string param;  // empty: null
    std::string message;
    int retry_after = 0;
    std::string allow{};  // with 405
};

std::string error_body(const ApiError& error);
// The event that ends a stream that cannot go on.
std::string error_event(const ApiError& error);

ApiError invalid_request(const core::Error& error);
ApiError unreadable_http(const core::Error& error);
ApiError no_key();
ApiError wrong_key();
ApiError denied(std::string message);
ApiError unknown_model(std::string_view model, const std::vector<std::string>& existing);
ApiError private_parameter(std::string_view field);
ApiError body_too_large(std::size_t limit);
ApiError no_such_path(std::string_view method, std::string_view path);
ApiError wrong_method(std::string_view allowed);
ApiError queue_full(int retry_after);
ApiError no_replica(std::string_view model, int retry_after);
ApiError waited_too_long(int seconds, int retry_after);
ApiError engine_lost(bool answering);
ApiError engine_silent();
ApiError engine_garbage(const core::Error& error);
ApiError usage_not_recorded();
ApiError stopping();

// What an engine answered with a status of 400 or over, in OpenAI's form.
ApiError from_engine(int status, std::string_view body);

struct ListedModel {
    std::string name;
    std::int64_t created = 0;  // seconds since 1970; 0: unknown
};
std::string models_body(const std::vector<ListedModel>& models);
std::string model_body(const ListedModel& model);

}  // namespace sust::serve
