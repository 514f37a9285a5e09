#include <nlohmann/json.hpp>
#include <unistd.h>

#include "control/json_body.h"
#include "control/routes.h"
#include "core/text.h"
#include "env/hold.h"
#include "env/images.h"

namespace sust::control {

using nlohmann::json;

namespace {

constexpr std::int64_t k_fleet_wait = 25;
constexpr std::int64_t k_max_fleet_wait = 60;
// An upload has no name until its last file is here: what is younger may belong to one.
constexpr std::int64_t k_gc_grace = 3600;

Result<Answer> health(Desk&, Ask&) {
    return Answer(json_answer(200, {{"status", "ok"}}));
}

// Of the newest thousand; a status is for a glance.
json count_runs(Desk& desk) {
    json counts = json::object();
    const auto runs = desk.parts.runs.list({}, 1000);
    for (const auto& run : runs ? *runs : std::vector<tune::Run>()) {
        const auto state = json(run).value("state", std::string("unknown"));
        counts[state] = counts.value(state, 0) + 1;
    }
    return counts;
}

Result<Answer> show_status(Desk& desk, Ask&) {
    auto services = json::array();
    for (const auto& service : desk.parts.fleet.list()) {
        services.push_back({{"name", service.name},
                            {"state", service.state},
                            {"ready", service.ready},
                            {"wanted", service.wanted}});
    }
    return Answer(
        json_answer(200, {{"version", desk.parts.version},
                          {"pid", ::getpid()},
                          {"started", core::rfc3339(desk.started)},
                          {"fleet_version", desk.parts.fleet.version()},
                          {"free_bytes", core::free_bytes(desk.parts.places.data).value_or(0)},
                          {"runs", count_runs(desk)},
                          {"services", std::move(services)},
                          {"gateways", desk.parts.fleet.gateways()}}));
}

Result<Answer> follow_fleet(Desk& desk, Ask& ask) {
    const auto after = static_cast<std::uint64_t>(TRY(ask.number("after", 0, 0, INT64_MAX)));
    const auto wait = TRY(ask.number("wait", k_fleet_wait, 0, k_max_fleet_wait));
    if (const auto gateway = ask.parameter("gateway"); !gateway.empty()) {
        TRY(core::check_name("gateway", gateway));
        if (after <= desk.parts.fleet.version()) {
            desk.parts.fleet.acknowledged(gateway, after);
        }
    }
    TRY(desk.waiters.add(ask.exchange, after, std::chrono::seconds(wait)));
    return Answer();
}

json garbage_json(const store::Garbage& garbage, bool dry_run) {
    auto blobs = json::array();
    for (const auto& blob : garbage.blobs) {
        blobs.push_back(
            {{"digest", blob.digest.str()}, {"bytes", blob.size}, {"media_type", blob.media_type}});
    }
    return {{"dry_run", dry_run},
            {"bytes", garbage.bytes},
            {"blobs", std::move(blobs)},
            {"temporary_files", garbage.temporary_files},
            {"temporary_bytes", garbage.temporary_bytes},
            {"young_bytes", garbage.young_bytes}};
}

// Commands that ended without a word no longer hold their image; copies of images that are gone
// go with them.
Result<store::Garbage> collect(Parts& parts, core::Duration grace, store::Store::DryRun dry_run) {
    TRY(env::release_stale_mounts(parts.store));
    auto garbage = TRY(parts.store.collect(grace, dry_run));
    if (dry_run == store::Store::DryRun::no) {
        TRY(env::remove_orphan_copies(parts.store, parts.places));
    }
    return garbage;
}

Result<Answer> collect_garbage(Desk& desk, Ask& ask) {
    auto body = TRY(JsonBody::parse(ask.exchange->request().body));
    const bool dry_run = TRY(body.boolean("dry_run")).value_or(false);
    const auto grace = TRY(body.integer("grace_seconds")).value_or(k_gc_grace);
    TRY(body.no_other_keys());
    if (grace < 0 || grace > 365LL * 86400) {
        return fail(Fault::invalid, "'grace_seconds' is to be 0 to a year",
                    {.where = "body.grace_seconds"});
    }
    using Collected = Result<store::Garbage>;
    const auto result = std::make_shared<std::optional<Collected>>();
    TRY(desk.parts.loop.offload(
        [&parts = desk.parts, grace, dry_run, result] {
            *result = collect(parts, std::chrono::seconds(grace),
                              dry_run ? store::Store::DryRun::yes : store::Store::DryRun::no);
        },
        [exchange = ask.exchange, dry_run, result] {
            const auto& collected = **result;
            finish(exchange,
                   collected ? Result<Response>(json_answer(200, garbage_json(*collected, dry_run)))
                             : tl::unexpected<Error>(collected.error()));
        }));
    return Answer();
}

}  // namespace

std::vector<Route> system_routes() {
    return {{"GET", "/healthz", "Say ok", health, {}, Effect::none, Access::open},
            {"GET", "/api/v1/status", "Show what runs here", show_status},
            {"GET",
             "/api/v1/fleet",
             "Follow the fleet map (for gateways)",
             follow_fleet,
             {"after", "gateway", "wait"}},
            {"POST",
             "/api/v1/gc",
             "Collect what nothing refers to",
             collect_garbage,
             {},
             Effect::changes}};
}

}  // namespace sust::control
