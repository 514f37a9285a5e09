#include "serve/routes.h"

#include <algorithm>
#include <array>

#include "core/text.h"

namespace sust::serve {

namespace {

constexpr std::string_view k_model_prefix = "/v1/models/";

// Paths of OpenAI's interface that take a JSON object with `model`. What an engine lacks of them
// it answers itself.
constexpr std::array<std::string_view, 8> k_engine_paths = {
    "/v1/chat/completions", "/v1/completions",        "/v1/embeddings",   "/v1/rerank", "/v1/score",
    "/v1/moderations",      "/v1/images/generations", "/v1/audio/speech",
};

std::variant<Route, ApiError> only(std::string_view method, std::string_view wanted, Route route) {
    if (method != wanted && !(method == "HEAD" && wanted == "GET")) {
        return wrong_method(wanted);
    }
    return route;
}

}  // namespace

std::variant<Route, ApiError> find_route(std::string_view method, std::string_view target) {
    const auto path = target.substr(0, target.find('?'));
    if (std::find(k_engine_paths.begin(), k_engine_paths.end(), path) != k_engine_paths.end()) {
        return only(method, "POST",
                    {.to = Route::To::engine, .path = std::string(path), .model = {}});
    }
    if (path == "/v1/models") {
        return only(method, "GET", {.to = Route::To::models, .path = {}, .model = {}});
    }
    if (path.starts_with(k_model_prefix) && path.size() > k_model_prefix.size()) {
        if (auto name = core::percent_decode(path.substr(k_model_prefix.size()))) {
            return only(method, "GET",
                        {.to = Route::To::model, .path = {}, .model = std::move(*name)});
        }
    }
    if (path == "/healthz") {
        return only(method, "GET", {.to = Route::To::healthz, .path = {}, .model = {}});
    }
    if (path == "/metrics") {
        return only(method, "GET", {.to = Route::To::metrics, .path = {}, .model = {}});
    }
    return no_such_path(method, path);
}

}  // namespace sust::serve
