#pragma once

// The control API as data: what docs/protocol/openapi.json describes, and a test compares.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/desk.h"

namespace sust::control {

enum class Effect {
    none,     // reads
    changes,  // repeating it changes nothing more
    creates,  // honours Idempotency-Key
};
// open: for everybody who can reach the socket.
enum class Access { open, owner };

struct Route {
    std::string_view method;
    std::string_view pattern;  // "/api/v1/models/{name}"
    std::string_view summary;
    Result<Answer> (*handler)(Desk& desk, Ask& ask);
    std::vector<std::string_view> query{};
    Effect effect = Effect::none;
    Access access = Access::owner;
};

const std::vector<Route>& routes();

struct Match {
    const Route* route = nullptr;
    std::map<std::string, std::string> names;
};
struct NoMatch {
    std::string allowed;  // "GET, PUT": the path is there for other methods; empty: it is not
};
// HEAD is answered as GET.
tl::expected<Match, NoMatch> match(std::string_view method, const std::vector<std::string>& path);

// Each file of handlers, for routes().
std::vector<Route> backend_routes();
std::vector<Route> blob_routes();
std::vector<Route> dataset_routes();
std::vector<Route> model_routes();
std::vector<Route> run_routes();
std::vector<Route> service_routes();
std::vector<Route> job_routes();
std::vector<Route> key_routes();
std::vector<Route> system_routes();

}  // namespace sust::control
