#include "cluster/simulated/client.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::cluster::simulated {

namespace {

constexpr std::size_t k_answer_bytes_max = 64 << 20;  // 100,000 nodes, 200,000 jobs

std::string node_target(const std::string& node, const char* verb) {
    return fmt::format("/v1/nodes/{}/{}", core::percent_encode(node), verb);
}

}  // namespace

Result<std::string> Client::call(const char* method, std::string target, std::string body) {
    core::http::Request request{.method = method, .target = std::move(target), .headers = {}};
    request.body = std::move(body);
    auto response = http_.send(request, patience_, k_answer_bytes_max);
    if (!response) {
        auto error = std::move(response).error();
        if (error.hint.empty()) {
            error.hint = "does sust simulate serve this socket?";
        }
        return tl::unexpected<core::Error>(std::move(error));
    }
    if (response->status >= 400) {
        return tl::unexpected<core::Error>(core::http::error_of(*response));
    }
    return std::move(response->body);
}

Result<int> Client::submit(const Submission& submission) {
    return read_id(TRY(call("POST", "/v1/jobs", to_text(submission))));
}

Result<void> Client::cancel(int number, const Token& token) {
    TRY(call("DELETE",
             fmt::format("/v1/jobs/{}?token={}", number, core::percent_encode(token.value))));
    return {};
}

Result<Listing> Client::list() {
    Listing listing{.jobs = {}, .asked = clock_.monotonic()};
    listing.jobs = TRY(read_jobs(TRY(call("GET", "/v1/jobs"))));
    return listing;
}

Result<SiteView> Client::look() {
    auto view = TRY(read_site_view(TRY(call("GET", "/v1/site"))));
    for (auto& node : view.nodes) {
        node.observed = clock_.wall();
    }
    return view;
}

Result<void> Client::hold(const std::string& node, const std::string& reason) {
    TRY(call("POST", node_target(node, "hold"), nlohmann::json{{"reason", reason}}.dump()));
    return {};
}

Result<void> Client::release(const std::string& node) {
    TRY(call("POST", node_target(node, "release")));
    return {};
}

Result<Outlook> Client::outlook(const Submission& submission) {
    return read_forecast(TRY(call("POST", "/v1/outlook", to_text(submission))));
}

}  // namespace sust::cluster::simulated
