#include "apps/sust/api.h"

#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/hash.h"
#include "core/id.h"
#include "core/text.h"

namespace sust::cli {
namespace {

constexpr auto k_answer_within = std::chrono::seconds(120);  // a gc hashes, a drain is awaited
constexpr auto k_upload_within = std::chrono::hours(12);
constexpr auto k_stall = std::chrono::minutes(2);  // the server sends a comment line each 15 s

core::http::Address address_of(const Context& context) {
    auto path = core::socket_path(context.places.api_socket(), ::getuid());
    return core::http::UnixAddress{path ? *path : context.places.api_socket()};
}

Result<nlohmann::json> parse(const core::http::Response& response) {
    if (response.body.empty()) {
        return nlohmann::json::object();
    }
    auto json = nlohmann::json::parse(response.body, nullptr, false);
    if (json.is_discarded()) {
        return core::fail(Fault::internal, "sustd answered with something that is not JSON");
    }
    return json;
}

}  // namespace

Api::Api(const Context& context)
    : context_(&context), client_(context.clock, address_of(context)) {}

Result<core::http::Response> Api::checked(Result<core::http::Response> response) const {
    const auto socket = context_->places.api_socket().string();
    if (!response && response.error().fault == Fault::unavailable) {
        return core::fail(Fault::unavailable, "sustd does not answer on its socket",
                          {.where = socket, .hint = "start it with: " + context_->command("up")});
    }
    if (!response && response.error().fault == Fault::denied) {
        return core::fail(
            Fault::denied, "sustd belongs to another user",
            {.where = socket,
             .hint = "ask as that user, or start one of your own: sust --root DIR up"});
    }
    if (response && response->status >= 400) {
        return tl::unexpected<core::Error>(core::http::error_of(*response));
    }
    return response;
}

Result<nlohmann::json> Api::call(core::http::Request request, core::Duration more) {
    const auto response = TRY(checked(client_.send(request, k_answer_within + more)));
    return parse(response);
}

Result<nlohmann::json> Api::get(std::string_view target) {
    return call({.method = "GET", .target = std::string(target)});
}

Result<nlohmann::json> Api::list(std::string_view target) {
    constexpr int k_max_pages = 10'000;
    auto items = nlohmann::json::array();
    std::string after;
    for (int page = 0; page < k_max_pages; ++page) {
        const char* joint = target.find('?') == std::string_view::npos ? "?" : "&";
        const auto query = after.empty()
                               ? std::string()
                               : fmt::format("{}after={}", joint, core::percent_encode(after));
        const auto answer = TRY(get(std::string(target) + query));
        for (const auto& item : answer.value("items", nlohmann::json::array())) {
            items.push_back(item);
        }
        after = answer.contains("next") && answer["next"].is_string()
                    ? answer["next"].get<std::string>()
                    : "";
        if (after.empty()) {
            break;
        }
    }
    return items;
}

Result<nlohmann::json> Api::post(std::string_view target, const nlohmann::json& body,
                                 core::Duration more) {
    return call({.method = "POST",
                 .target = std::string(target),
                 .headers = {{"Content-Type", "application/json"},
                             {"Idempotency-Key", core::make_id(context_->clock, "req-")}},
                 .body = body.dump()},
                more);
}

Result<nlohmann::json> Api::put(std::string_view target, const nlohmann::json& body) {
    return call({.method = "PUT",
                 .target = std::string(target),
                 .headers = {{"Content-Type", "application/json"}},
                 .body = body.dump()});
}

Result<nlohmann::json> Api::remove(std::string_view target) {
    return call({.method = "DELETE", .target = std::string(target)});
}

Result<nlohmann::json> Api::upload(const core::Path& file, std::string_view path_in_artifact) {
    const std::string digest = "sha256:" + TRY(core::sha256_hex_of_file(file));
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    if (error) {
        return core::fail_errno("look at " + file.string(), error.value());
    }
    const core::http::Request head{.method = "PUT", .target = "/api/v1/blobs/" + digest};
    TRY(checked(client_.upload(head, file, k_upload_within)));
    return nlohmann::json{{"path", path_in_artifact}, {"digest", digest}, {"bytes", size}};
}

Result<void> Api::follow(std::string_view target,
                         const std::function<bool(const core::http::Event&)>& on_event) {
    core::http::EventParser parser;
    bool wanted = true;
    const auto on_piece = [&](std::string_view piece) {
        const bool fits = parser.feed(
            piece, [&](const core::http::Event& event) { wanted = wanted && on_event(event); });
        return fits && wanted;
    };
    const core::http::Request request{.method = "GET",
                                      .target = std::string(target),
                                      .headers = {{"Accept", "text/event-stream"}}};
    TRY(checked(client_.stream(request, k_stall, on_piece)));
    return {};
}

std::string api_path(std::string_view collection, std::string_view name, std::string_view rest) {
    return fmt::format("/api/v1/{}/{}{}", collection, core::percent_encode(name), rest);
}

}  // namespace sust::cli
