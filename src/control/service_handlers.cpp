#include <nlohmann/json.hpp>

#include "control/json_body.h"
#include "control/routes.h"
#include "core/text.h"

namespace sust::control {

using nlohmann::json;

namespace {

constexpr std::size_t k_log_piece = 256 << 10;

Result<Answer> apply_service(Desk& desk, Ask& ask) {
    auto body = TRY(parse_json(ask.exchange->request().body));
    if (body.is_object() && !body.contains("name")) {
        body["name"] = ask.name("name");
    }
    const auto said = TRY(fleet::service_from_json(body));
    if (said.name != ask.name("name")) {
        return fail(Fault::invalid,
                    "the specification is that of '" + core::printable(said.name) +
                        "', the address that of '" + core::printable(ask.name("name")) + "'",
                    {.where = "body.name"});
    }
    return Answer(json_answer(200, json(TRY(desk.parts.fleet.apply(said)))));
}

Result<Answer> list_services(Desk& desk, Ask& ask) {
    return Answer(TRY(page(ask, json(desk.parts.fleet.list()), "name")));
}

Result<Answer> show_service(Desk& desk, Ask& ask) {
    return Answer(json_answer(200, json(TRY(desk.parts.fleet.show(ask.name("name"))))));
}

Result<Answer> remove_service(Desk& desk, Ask& ask) {
    return Answer(json_answer(202, json(TRY(desk.parts.fleet.remove(ask.name("name"))))));
}

Result<Answer> scale_service(Desk& desk, Ask& ask) {
    auto body = TRY(JsonBody::parse(ask.exchange->request().body));
    const auto replicas = TRY(body.integer("replicas"));
    TRY(body.no_other_keys());
    if (!replicas) {
        return fail(Fault::invalid, "'replicas' is missing", {.where = "body.replicas"});
    }
    return Answer(json_answer(200, json(TRY(desk.parts.fleet.scale(ask.name("name"), *replicas)))));
}

Result<Answer> service_log(Desk& desk, Ask& ask) {
    const auto stream = TRY(stream_of(ask.parameter("stream")));
    const auto offset = static_cast<std::uint64_t>(TRY(ask.number("offset", 0, 0, INT64_MAX)));
    std::optional<std::string> replica;
    if (const auto said = ask.parameter("replica"); !said.empty()) {
        replica = said;
    }
    const auto chunk =
        TRY(desk.parts.fleet.logs(ask.name("name"), replica, stream, offset, k_log_piece));
    return Answer(json_answer(200, log_json(chunk, offset)));
}

}  // namespace

std::vector<Route> service_routes() {
    return {{"PUT",
             "/api/v1/services/{name}",
             "Make a service what its specification says",
             apply_service,
             {},
             Effect::changes},
            {"GET", "/api/v1/services", "List services", list_services, {"after", "limit"}},
            {"GET", "/api/v1/services/{name}", "Show a service and its replicas", show_service},
            {"DELETE",
             "/api/v1/services/{name}",
             "Drain and remove a service",
             remove_service,
             {},
             Effect::changes},
            {"POST",
             "/api/v1/services/{name}/scale",
             "Change the number of replicas",
             scale_service,
             {},
             Effect::changes},
            {"GET",
             "/api/v1/services/{name}/logs",
             "Read what a service's engines print",
             service_log,
             {"replica", "stream", "offset"}}};
}

}  // namespace sust::control
