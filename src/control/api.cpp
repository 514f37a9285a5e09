#include "control/api.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "control/blob_sink.h"
#include "control/routes.h"
#include "core/text.h"

namespace sust::control {

namespace {

constexpr std::size_t k_ledger_bytes_per_tick = 4 << 20;

Response method_not_allowed(const NoMatch& other, const std::string& request_id) {
    auto response = core::http::error_response(
        {Fault::invalid, "this method means nothing here", {}, "allowed: " + other.allowed},
        request_id);
    response.status = 405;
    response.headers.set("Allow", other.allowed);
    return response;
}

Result<void> check_query(const Route& route, const std::map<std::string, std::string>& query) {
    for (const auto& [key, value] : query) {
        if (std::ranges::find(route.query, key) == route.query.end()) {
            const std::vector<std::string> known(route.query.begin(), route.query.end());
            return fail(Fault::invalid, "unknown query parameter '" + core::printable(key) + "'",
                        {.hint = known.empty() ? "there are none here"
                                               : "known are: " + core::join(known, ", ")});
        }
    }
    return {};
}

// The creation and its answer are one transaction: whoever asks again gets the same.
Result<Answer> answer_once(Desk& desk, Ask& ask, const Route& route) {
    const auto& request = ask.exchange->request();
    const auto said = request.headers.get("Idempotency-Key");
    if (!said || route.effect != Effect::creates) {
        return route.handler(desk, ask);
    }
    const std::string key(*said);
    TRY(check_idempotency_key(key));
    const auto scope = std::to_string(ask.who.uid) + " " + request.target;
    if (auto earlier = TRY(desk.answers.find(scope, key, request.body))) {
        return Answer(std::move(earlier));
    }
    auto transaction = TRY(desk.parts.database.begin());
    auto answer = TRY(route.handler(desk, ask));
    if (answer) {
        TRY(desk.answers.keep(scope, key, request.body, *answer));
    }
    TRY(transaction.commit());
    return answer;
}

}  // namespace

Result<std::shared_ptr<core::http::BodySink>> Api::open_body(const ExchangePtr& exchange) {
    const auto target = TRY(core::http::parse_target(exchange->request().target));
    const auto found = match(exchange->request().method, target.path);
    if (!found || found->route->access == Access::owner) {
        TRY(authenticate(exchange->peer(), desk_.parts.owner));
    }
    if (found && takes_blob(*found->route)) {
        return open_blob(desk_, *exchange, found->names);
    }
    return std::shared_ptr<core::http::BodySink>();
}

void Api::handle(const ExchangePtr& exchange) {
    const auto& log = desk_.parts.log;
    auto answered = answer(exchange);
    if (!answered) {
        const auto& error = answered.error();
        if (error.fault == Fault::internal) {
            log.with("request_id", exchange->request_id())
                .with("target", core::printable(exchange->request().target))
                .error("a request failed", error);
        }
        finish(exchange, tl::unexpected<Error>(error));
    } else if (*answered) {
        finish(exchange, std::move(**answered));
    }
}

Result<Answer> Api::answer(const ExchangePtr& exchange) {
    const auto& request = exchange->request();
    auto target = TRY(core::http::parse_target(request.target));
    auto found = match(request.method, target.path);
    if (found && found->route->access == Access::open) {
        Ask ask{exchange, std::move(found->names), std::move(target.query), {}};
        return found->route->handler(desk_, ask);
    }
    const auto who = TRY(authenticate(exchange->peer(), desk_.parts.owner));
    if (!found) {
        if (!found.error().allowed.empty()) {
            return Answer(method_not_allowed(found.error(), exchange->request_id()));
        }
        return fail(Fault::not_found, "nothing is at this address",
                    {.where = core::printable(request.target),
                     .hint = "docs/protocol/api.md lists what there is"});
    }
    TRY(check_query(*found->route, target.query));
    Ask ask{exchange, std::move(found->names), std::move(target.query), who};
    return answer_once(desk_, ask, *found->route);
}

void Api::tick() {
    if (const auto counted = desk_.usage.refresh(k_ledger_bytes_per_tick); !counted) {
        desk_.parts.log.error("the ledger cannot be counted", counted.error());
    }
    if (const auto pruned = desk_.answers.prune(); !pruned) {
        desk_.parts.log.error("old answers cannot be forgotten", pruned.error());
    }
}

void Api::close() {
    desk_.followers.close();
    desk_.job_followers.close();
    desk_.waiters.close();
}

}  // namespace sust::control
