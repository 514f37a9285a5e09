#include "cluster/simulated/service.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/simulated/report.h"
#include "core/text.h"
#include "core/toml.h"

namespace sust::cluster::simulated {

using core::fail;
using core::Fault;
using core::http::ExchangePtr;
using core::http::Request;

namespace {

constexpr std::size_t k_events_max = 10'000;  // of one answer

tl::unexpected<core::Error> no_such(const Request& request) {
    return fail(Fault::not_found,
                fmt::format("no {} {}", core::printable(request.method, 20),
                            core::printable(request.target, 120)),
                {.hint = "docs/protocol/simulate.md"});
}

Result<int> number_of(const std::string& text) {
    const auto number = TRY(core::parse_integer(text));
    return number > 0 && number <= INT32_MAX
               ? Result<int>(static_cast<int>(number))
               : fail(Fault::invalid, "no number of a job: " + core::printable(text, 40));
}

void respond(const ExchangePtr& exchange, const Result<std::string>& said) {
    exchange->respond(said ? core::http::json_response(200, *said)
                           : core::http::error_response(said.error(), exchange->request_id()));
}

}  // namespace

Result<std::shared_ptr<core::http::BodySink>> Service::open_body(const ExchangePtr&) {
    return std::shared_ptr<core::http::BodySink>();
}

void Service::handle(const ExchangePtr& exchange) {
    site_.go_on();
    const bool own = exchange->request().target.starts_with("/v1/simulation");
    const auto away = site_.engine().away();
    if (own || !away) {
        return answer(exchange);
    }
    if (*away == Mishap::How::hangs) {
        held_.push_back(exchange);  // and what it asks for happens nevertheless, later
        return;
    }
    respond(exchange, fail(Fault::unavailable, "the controller of the site is away"));
}

void Service::tick() {
    site_.go_on();
    while (!held_.empty() && !site_.engine().away()) {
        const auto exchange = held_.front();
        held_.pop_front();
        answer(exchange);
    }
}

void Service::answer(const ExchangePtr& exchange) {
    const auto& request = exchange->request();
    const auto target = core::http::parse_target(request.target);
    if (!target) {
        return respond(exchange, tl::unexpected<core::Error>(target.error()));
    }
    const auto& path = target->path;
    if (path.size() < 2 || path[0] != "v1") {
        return respond(exchange, no_such(request));
    }
    if (path[1] != "simulation") {
        return respond(exchange, serve(request, path, target->query));
    }
    if (path.size() == 3 && path[2] == "advance" && request.method == "POST") {
        return begin_advance(exchange);
    }
    respond(exchange, serve_simulation(request, path, target->query));
}

// --- The scheduler's side --------------------------------------------------------------------

Result<std::string> Service::serve(const Request& request, const Parts& path, const Query& query) {
    if (path[1] == "jobs") {
        return serve_jobs(request, path, query);
    }
    if (path[1] == "nodes" && path.size() == 4 && request.method == "POST") {
        return serve_node(request, path);
    }
    if (path[1] == "site" && path.size() == 2 && request.method == "GET") {
        return to_text(view_of(site_.model(), site_.engine().nodes()));
    }
    if (path[1] == "outlook" && path.size() == 2 && request.method == "POST") {
        return outlook(request.body);
    }
    return no_such(request);
}

Result<std::string> Service::serve_jobs(const Request& request, const Parts& path,
                                        const Query& query) {
    if (path.size() == 2 && request.method == "GET") {
        return jobs_text(site_.engine().listed(), site_.model());
    }
    if (path.size() == 2 && request.method == "POST") {
        return id_text(TRY(site_.submit(TRY(read_submission(request.body)))));
    }
    if (path.size() == 3 && request.method == "DELETE") {
        const auto number = TRY(number_of(path[2]));
        TRY(site_.cancel(number, query.contains("token") ? query.at("token") : ""));
        return id_text(number);
    }
    return no_such(request);
}

Result<std::string> Service::serve_node(const Request& request, const Parts& path) {
    if (path[3] == "hold") {
        const auto body = TRY(core::TomlTable::from_json(request.body, "hold"));
        const auto reason = TRY(body.required_text("reason"));
        TRY(body.no_other_keys());
        TRY(site_.hold(path[2], reason));
    } else if (path[3] == "release") {
        TRY(site_.release(path[2]));
    } else {
        return no_such(request);
    }
    return std::string("{}");
}

Result<std::string> Service::outlook(const std::string& body) {
    const auto ask = TRY(ask_of(TRY(read_submission(body)), site_.model()));
    const auto forecast = site_.engine().outlook(ask);
    return forecast_text(
        forecast, forecast.start ? std::optional(site_.wall_at(*forecast.start)) : std::nullopt);
}

// --- The simulation's side -------------------------------------------------------------------

Result<std::string> Service::serve_simulation(const Request& request, const Parts& path,
                                              const Query& query) {
    const auto number = [&](const char* key, std::int64_t usual) -> Result<std::int64_t> {
        const auto found = query.find(key);
        return found == query.end() ? usual : core::parse_integer(found->second);
    };
    if (path.size() == 2 && request.method == "GET") {
        return report_json(site_.engine()).dump();
    }
    if (path.size() == 3 && path[2] == "events" && request.method == "GET") {
        const auto after = TRY(number("after", 0));
        const auto limit = TRY(number("limit", 1'000));
        if (after < 0 || limit < 1 || limit > static_cast<std::int64_t>(k_events_max)) {
            return fail(Fault::invalid, fmt::format("limit is between 1 and {}", k_events_max),
                        {.where = "limit"});
        }
        return events_json(site_.engine(), static_cast<std::uint64_t>(after),
                           static_cast<std::size_t>(limit))
            .dump();
    }
    if (path.size() == 3 && path[2] == "mishaps" && request.method == "POST") {
        TRY(site_.inject(request.body));
        return report_json(site_.engine()).dump();
    }
    return no_such(request);
}

void Service::begin_advance(const ExchangePtr& exchange) {
    const auto by = [&]() -> Result<Duration> {
        const auto body = TRY(core::TomlTable::from_json(exchange->request().body, "advance"));
        const auto said = TRY(body.duration("by"));
        TRY(body.no_other_keys());
        constexpr Duration k_most = std::chrono::hours(24 * 366);
        if (!said || *said > k_most) {
            return fail(Fault::invalid, "'by' is a duration of at most a year",
                        {.where = "advance", .hint = "{\"by\": \"10m\"}"});
        }
        if (advance_) {
            return fail(Fault::conflict, "the clock is being advanced already");
        }
        return *said;
    }();
    if (!by) {
        return respond(exchange, tl::unexpected<core::Error>(by.error()));
    }
    advance_ = {.exchange = exchange, .until = site_.engine().now() + *by};
    go_on_advancing();
}

// In slices, so that others are answered in between.
void Service::go_on_advancing() {
    const auto reached = site_.advance(advance_->until);
    if (reached && !*reached) {
        return loop_.post([this] { go_on_advancing(); });
    }
    const auto exchange = std::exchange(advance_, std::nullopt)->exchange;
    respond(exchange, reached ? Result<std::string>(report_json(site_.engine()).dump())
                              : tl::unexpected<core::Error>(reached.error()));
    tick();
}

}  // namespace sust::cluster::simulated
