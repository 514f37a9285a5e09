#pragma once

// What a gateway answers at which path.

#include <string>
#include <string_view>
#include <variant>

#include "serve/openai.h"

namespace sust::serve {

struct Route {
    enum class To { healthz, metrics, models, model, engine };
    To to = To::healthz;
    std::string path;   // for the engine: as it is there
    std::string model;  // of /v1/models/NAME, decoded
};

// `target` as in the request line. Only plain paths are known: nothing is decoded but a model's
// name, so that the engine never sees a path that was not compared.
std::variant<Route, ApiError> find_route(std::string_view method, std::string_view target);

}  // namespace sust::serve
