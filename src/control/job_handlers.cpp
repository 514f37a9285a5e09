#include <nlohmann/json.hpp>

#include "control/routes.h"
#include "core/text.h"

namespace sust::control {

using nlohmann::json;

namespace {

constexpr std::size_t k_log_piece = 256 << 10;

Result<cluster::JobRequest> request_of(const Ask& ask) {
    return cluster::read_request(
        TRY(core::TomlTable::from_json(ask.exchange->request().body, "job")));
}

Result<Answer> submit_job(Desk& desk, Ask& ask) {
    const auto job = TRY(desk.parts.jobs.submit(TRY(request_of(ask))));
    auto response = json_answer(201, json(job));
    response.headers.set("Location", "/api/v1/jobs/" + job.id);
    return Answer(std::move(response));
}

Result<Answer> list_jobs(Desk& desk, Ask& ask) {
    const auto limit = static_cast<std::size_t>(TRY(ask.number("limit", 100, 1, 1000)));
    const auto jobs = TRY(desk.parts.jobs.list(ask.parameter("after"), limit));
    const auto next = jobs.size() == limit ? json(jobs.back().id) : json();
    return Answer(json_answer(200, {{"items", json(jobs)}, {"next", next}}));
}

Result<Answer> show_job(Desk& desk, Ask& ask) {
    return Answer(json_answer(200, json(TRY(desk.parts.jobs.show(ask.name("id"))))));
}

Result<Answer> cancel_job(Desk& desk, Ask& ask) {
    return Answer(json_answer(200, json(TRY(desk.parts.jobs.cancel(ask.name("id"))))));
}

Result<Answer> remove_job(Desk& desk, Ask& ask) {
    TRY(desk.parts.jobs.remove(ask.name("id")));
    return Answer(json_answer(200, {{"id", ask.name("id")}}));
}

Result<Answer> follow_job(Desk& desk, Ask& ask) {
    TRY(desk.job_followers.add(ask.exchange, TRY(desk.parts.jobs.show(ask.name("id")))));
    return Answer();
}

Result<Answer> job_log(Desk& desk, Ask& ask) {
    const auto said = ask.parameter("stream");
    const auto stream = TRY(stream_of(said.empty() ? "out" : said));
    const auto offset = static_cast<std::uint64_t>(TRY(ask.number("offset", 0, 0, INT64_MAX)));
    const auto chunk = TRY(desk.parts.jobs.logs(ask.name("id"), stream, offset, k_log_piece));
    return Answer(json_answer(200, log_json(chunk, offset)));
}

// --- Where it would go -----------------------------------------------------------------------

// The answers of back ends come one by one; the last one is followed by the whole.
struct Plan {
    ExchangePtr exchange;
    json placements = json::array();
    json chosen;
    std::size_t open = 1;  // with the one who asks

    void close_one() {
        if (--open == 0) {
            finish(exchange, json_answer(200, {{"chosen", std::move(chosen)},
                                               {"placements", std::move(placements)}}));
        }
    }
};

json choice_json(const cluster::Choice& choice) {
    return {{"backend", choice.placement.backend},
            {"partition", choice.placement.partition},
            {"accepted", !choice.refusal},
            {"refusal", choice.refusal ? json(core::to_string(*choice.refusal)) : json()},
            {"start", nullptr},
            {"where", ""},
            {"why", ""}};
}

void add_outlook(json& placement, const Result<cluster::Outlook>& outlook) {
    if (!outlook) {
        placement["why"] = core::to_string(outlook.error());
        return;
    }
    placement["where"] = outlook->where;
    placement["why"] = outlook->why;
    if (outlook->start) {
        placement["start"] = core::rfc3339(*outlook->start);
    }
}

Result<Answer> plan_job(Desk& desk, Ask& ask) {
    const auto request = TRY(request_of(ask));
    TRY(resolve_artifacts(request, desk.parts.store));
    const auto plan = std::make_shared<Plan>();
    plan->exchange = ask.exchange;
    const cluster::Token token{"job-plan"};
    for (const auto& choice : desk.parts.backends.weigh(request, token)) {
        const auto index = plan->placements.size();
        plan->placements.push_back(choice_json(choice));
        if (choice.refusal) {
            continue;
        }
        if (plan->chosen.is_null()) {
            plan->chosen = choice.placement.backend;
        }
        ++plan->open;
        auto* scheduler = TRY(desk.parts.backends.find(choice.placement.backend));
        scheduler->outlook(cluster::spec_of(request, choice.placement, token),
                           [plan, index](const Result<cluster::Outlook>& outlook) {
                               add_outlook(plan->placements[index], outlook);
                               plan->close_one();
                           });
    }
    plan->close_one();
    return Answer();
}

}  // namespace

std::vector<Route> job_routes() {
    return {{"POST", "/api/v1/jobs", "Submit a job", submit_job, {}, Effect::creates},
            {"GET", "/api/v1/jobs", "List jobs, newest first", list_jobs, {"after", "limit"}},
            {"POST",
             "/api/v1/jobs/plan",
             "Say where a job would go, when, and what refuses it",
             plan_job,
             {},
             Effect::changes},
            {"GET", "/api/v1/jobs/{id}", "Show a job and its attempts", show_job},
            {"DELETE",
             "/api/v1/jobs/{id}",
             "Remove a job that has ended",
             remove_job,
             {},
             Effect::changes},
            {"GET",
             "/api/v1/jobs/{id}/logs",
             "Read what a job's newest attempt prints",
             job_log,
             {"stream", "offset"}},
            {"GET", "/api/v1/jobs/{id}/events", "Follow a job by server-sent events", follow_job},
            {"POST", "/api/v1/jobs/{id}/cancel", "Cancel a job", cancel_job, {}, Effect::changes}};
}

}  // namespace sust::control
