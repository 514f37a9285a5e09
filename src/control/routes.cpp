#include "control/routes.h"

#include "core/text.h"

namespace sust::control {

namespace {

std::vector<Route> all_routes() {
    std::vector<Route> all;
    for (auto* part : {system_routes, blob_routes, dataset_routes, model_routes, run_routes,
                       service_routes, key_routes, job_routes, backend_routes}) {
        for (auto& route : part()) {
            all.push_back(std::move(route));
        }
    }
    return all;
}

std::optional<std::map<std::string, std::string>> names_in(std::string_view pattern,
                                                           const std::vector<std::string>& path) {
    const auto parts = core::split(pattern.substr(1), '/');
    if (parts.size() != path.size()) {
        return {};
    }
    std::map<std::string, std::string> names;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].starts_with('{')) {
            if (path[i].empty()) {
                return {};
            }
            names[parts[i].substr(1, parts[i].size() - 2)] = path[i];
        } else if (parts[i] != path[i]) {
            return {};
        }
    }
    return names;
}

}  // namespace

const std::vector<Route>& routes() {
    static const std::vector<Route> k_all = all_routes();
    return k_all;
}

tl::expected<Match, NoMatch> match(std::string_view method, const std::vector<std::string>& path) {
    NoMatch other;
    for (const auto& route : routes()) {
        auto names = names_in(route.pattern, path);
        if (!names) {
            continue;
        }
        if (route.method == method || (method == "HEAD" && route.method == "GET")) {
            return Match{&route, std::move(*names)};
        }
        other.allowed += (other.allowed.empty() ? "" : ", ") + std::string(route.method);
    }
    return tl::unexpected<NoMatch>(std::move(other));
}

}  // namespace sust::control
