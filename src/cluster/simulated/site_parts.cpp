#include "cluster/simulated/site_parts.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "cluster/node_names.h"
#include "core/text.h"

namespace sust::cluster::simulated {

using core::fail;
using core::Fault;
using core::TomlTable;
using namespace std::chrono_literals;

namespace {

constexpr Duration k_far = 24h * 3653;  // sums of a few of them stay within every clock
constexpr double k_factor_max = 100'000;

// The place of a word in a list; invalid names the list.
template <std::size_t N>
Result<std::size_t> one_of(const TomlTable& table, std::string_view key,
                           const std::array<std::string_view, N>& words, std::string_view usual) {
    const auto said = TRY(table.text(key)).value_or(std::string(usual));
    const auto found = std::find(words.begin(), words.end(), said);
    if (found == words.end()) {
        const std::vector<std::string> names(words.begin(), words.end());
        return fail(Fault::invalid, fmt::format("'{}' is no '{}'", core::printable(said, 40), key),
                    {.where = table.where(key), .hint = "one of: " + core::join(names, ", ")});
    }
    return static_cast<std::size_t>(found - words.begin());
}

constexpr std::array<std::string_view, 2> k_hows = {"refuses", "hangs"};

Result<Mishap::How> how_in(const TomlTable& table, std::string_view key) {
    return static_cast<Mishap::How>(TRY(one_of(table, key, k_hows, "refuses")));
}

}  // namespace

// --- Values ----------------------------------------------------------------------------------

Result<std::int64_t> integer_in(const TomlTable& table, std::string_view key, std::int64_t low,
                                std::int64_t high, std::int64_t usual) {
    const auto said = TRY(table.integer(key));
    if (said && (*said < low || *said > high)) {
        return fail(Fault::invalid,
                    fmt::format("'{}' must be between {} and {}, not {}", key, low, high, *said),
                    {.where = table.where(key)});
    }
    return said.value_or(usual);
}

Result<double> share_in(const TomlTable& table, std::string_view key) {
    const auto said = TRY(table.number(key)).value_or(0);
    return said >= 0 && said <= 1
               ? Result<double>(said)
               : fail(Fault::invalid, fmt::format("'{}' is a share between 0 and 1", key),
                      {.where = table.where(key)});
}

Result<Duration> duration_in(const TomlTable& table, std::string_view key, Duration usual) {
    const auto said = TRY(table.duration(key)).value_or(usual);
    return said >= Duration::zero() && said <= k_far
               ? Result<Duration>(said)
               : fail(Fault::invalid, fmt::format("'{}' is at most ten years", key),
                      {.where = table.where(key)});
}

Result<Spread> spread_in(const TomlTable& table, std::string_view key, Spread usual) {
    const auto raw = TRY(table.json(key));
    if (!raw) {
        return usual;
    }
    if (!raw->starts_with('{')) {
        const auto always = TRY(duration_in(table, key, {}));
        return Spread{.least = always, .mean = always, .most = always};
    }
    const auto part = TRY(required_table(table, key));
    Spread spread;
    spread.least = TRY(duration_in(part, "least", 0ms));
    spread.mean = TRY(duration_in(part, "mean", spread.least));
    spread.most = TRY(duration_in(part, "most", std::min(10 * spread.mean, k_far)));
    TRY(part.no_other_keys());
    if (spread.mean < spread.least || spread.most < spread.mean) {
        return fail(Fault::invalid, fmt::format("'{}' needs least <= mean <= most", key),
                    {.where = table.where(key)});
    }
    return spread;
}

Result<TomlTable> required_table(const TomlTable& table, std::string_view key) {
    const auto part = TRY(table.table(key));
    return part ? Result<TomlTable>(*part)
                : fail(Fault::not_found, fmt::format("no [{}]", key), {.where = table.where()});
}

Result<void> check_account(const TomlTable& table, std::string_view key, const std::string& name,
                           const Model& model) {
    return model.accounts.contains(name)
               ? Result<void>()
               : fail(Fault::invalid, fmt::format("no [account.{}]", core::printable(name, 60)),
                      {.where = table.where(key)});
}

Result<std::vector<int>> nodes_in(const TomlTable& table, std::string_view key,
                                  const Model& model) {
    const auto said = TRY(table.required_text(key));
    std::vector<int> nodes;
    for (const auto& name : expand_nodes(said, model.nodes.size())) {
        const auto node = model.node_named(name);
        if (node < 0) {
            return fail(Fault::invalid, fmt::format("no node '{}'", core::printable(name, 60)),
                        {.where = table.where(key)});
        }
        nodes.push_back(node);
    }
    if (nodes.empty()) {
        return fail(Fault::invalid, fmt::format("'{}' names no nodes of the site", key),
                    {.where = table.where(key), .hint = fmt::format("{} = \"n[1-3]\"", key)});
    }
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    return nodes;
}

// --- The site as a whole ---------------------------------------------------------------------

Result<void> read_clock(const TomlTable& site, Model& model) {
    constexpr std::array<std::string_view, 3> k_words = {"real", "scaled", "manual"};
    model.pace = static_cast<Pace>(TRY(one_of(site, "clock", k_words, "real")));
    const auto factor = TRY(site.number("factor"));
    if (factor.has_value() != (model.pace == Pace::scaled)) {
        return fail(Fault::invalid, "'factor' belongs to clock = \"scaled\", which needs it",
                    {.where = site.where(factor ? "factor" : "clock")});
    }
    model.factor = factor.value_or(1);
    return model.factor > 0 && model.factor <= k_factor_max
               ? Result<void>()
               : fail(Fault::invalid, fmt::format("'factor' is at most {}", k_factor_max),
                      {.where = site.where("factor")});
}

Result<void> read_jobs(const TomlTable& site, Model& model) {
    constexpr std::array<std::string_view, 2> k_words = {"commands", "played"};
    const bool manual = model.pace == Pace::manual;
    model.runs_commands = TRY(one_of(site, "jobs", k_words, manual ? "played" : "commands")) == 0;
    if (manual && model.runs_commands) {
        return fail(Fault::invalid, "a command takes real time, which a manual clock has not",
                    {.where = site.where("jobs"), .hint = "jobs = \"played\", or another clock"});
    }
    model.keeps_ended = TRY(duration_in(site, "keep_ended", 5min));
    // Only commands wait for it, in real time.
    const auto wait = static_cast<double>(TRY(duration_in(site, "kill_wait", 30s)).count());
    model.kill_wait = Duration(std::llround(wait * model.factor));
    const auto backfill = TRY(site.table("backfill"));
    model.backfill_interval = 30s;
    model.backfill_depth = 100;
    if (backfill) {
        model.backfill_interval = TRY(duration_in(*backfill, "interval", 30s));
        model.backfill_depth =
            static_cast<int>(TRY(integer_in(*backfill, "depth", 0, 10'000, 100)));
        TRY(backfill->no_other_keys());
    }
    model.duration = {.least = 10min, .mean = 10min, .most = 10min};
    if (const auto played = TRY(site.table("played"))) {
        model.duration = TRY(spread_in(*played, "duration", model.duration));
        model.failed = TRY(share_in(*played, "failed"));
        TRY(played->no_other_keys());
    }
    return {};
}

Result<void> read_rates(const TomlTable& site, Model& model) {
    const auto part = TRY(site.table("failures"));
    if (!part) {
        return {};
    }
    auto& rates = model.rates;
    const Spread hour{.least = 1h, .mean = 1h, .most = 1h};
    rates.node_lost_every = TRY(duration_in(*part, "node_lost_every", {}));
    rates.node_lost_for = TRY(spread_in(*part, "node_lost_for", hour));
    rates.outage_every = TRY(duration_in(*part, "outage_every", {}));
    rates.outage_for = TRY(spread_in(*part, "outage_for", {1min, 1min, 1min}));
    rates.outage_how = TRY(how_in(*part, "outage_how"));
    rates.preempt_every = TRY(duration_in(*part, "preempt_every", {}));
    rates.forget = TRY(share_in(*part, "forget"));
    rates.start_failed = TRY(share_in(*part, "start_failed"));
    return part->no_other_keys();
}

// --- Parts of lists --------------------------------------------------------------------------

Result<Load> read_load(const TomlTable& part, const Model& model) {
    Load load;
    const auto partition = TRY(part.text("partition")).value_or("");
    load.queue = model.queue_named(partition);
    if (load.queue < 0) {
        return fail(Fault::invalid,
                    partition.empty() ? "says no partition, and there is no default one"
                                      : fmt::format("no partition '{}'", partition),
                    {.where = part.where("partition")});
    }
    const auto& queue = model.queues[static_cast<std::size_t>(load.queue)];
    load.group = std::countr_zero(queue.groups);
    const auto& group = model.groups[static_cast<std::size_t>(load.group)];
    load.account = TRY(part.text("account")).value_or("");
    if (!load.account.empty()) {
        TRY(check_account(part, "account", load.account, model));
    }
    load.at = TRY(duration_in(part, "at", {}));
    load.until = TRY(duration_in(part, "until", k_far));
    load.count = static_cast<int>(TRY(integer_in(part, "count", 1, 100'000, 0)));
    load.every = TRY(duration_in(part, "every", {}));
    if ((load.count > 0) == (load.every > 0ms)) {
        return fail(Fault::invalid, "a load says 'count' (at once) or 'every' (one so often)",
                    {.where = part.where()});
    }
    load.least_nodes = static_cast<int>(TRY(integer_in(part, "least_nodes", 1, group.count, 1)));
    load.most_nodes = static_cast<int>(
        TRY(integer_in(part, "most_nodes", load.least_nodes, group.count, load.least_nodes)));
    load.cores = static_cast<int>(TRY(integer_in(part, "cores", 1, group.cores, 0)));
    load.gpus = static_cast<int>(TRY(integer_in(part, "gpus", 0, group.gpus.count, 0)));
    load.priority = static_cast<int>(TRY(integer_in(part, "priority", -1'000, 1'000, 0)));
    load.duration = TRY(spread_in(part, "duration", model.duration));
    load.limit = TRY(duration_in(part, "limit", load.duration.most));
    load.failed = TRY(share_in(part, "failed"));
    if (queue.longest && load.limit > *queue.longest) {
        return fail(Fault::invalid, "'limit' is over the partition's longest",
                    {.where = part.where("limit")});
    }
    return load;
}

Result<Mishap> read_mishap(const TomlTable& part, const Model& model) {
    constexpr std::array<std::string_view, 8> k_words = {
        "lose_nodes", "outage", "restart", "forget", "slow_start", "preempt", "drain", "resume"};
    Mishap mishap;
    mishap.at = TRY(duration_in(part, "at", {}));
    TRY(part.required_text("do"));
    mishap.kind = static_cast<Mishap::Kind>(TRY(one_of(part, "do", k_words, "")));
    switch (mishap.kind) {
        case Mishap::Kind::lose_nodes:
            mishap.nodes = TRY(nodes_in(part, "nodes", model));
            mishap.lasts = TRY(duration_in(part, "for", {}));
            break;
        case Mishap::Kind::outage:
            mishap.lasts = TRY(duration_in(part, "for", 1min));
            mishap.how = TRY(how_in(part, "how"));
            break;
        case Mishap::Kind::restart:
            mishap.lost = TRY(duration_in(part, "lost", {}));
            break;
        case Mishap::Kind::slow_start:
            mishap.lasts = TRY(duration_in(part, "for", 1h));
            mishap.by = TRY(duration_in(part, "by", 1min));
            break;
        case Mishap::Kind::forget:
        case Mishap::Kind::preempt:
            mishap.job = TRY(part.text("job")).value_or("");
            mishap.count = static_cast<int>(TRY(integer_in(part, "count", 1, 100'000, 1)));
            break;
        case Mishap::Kind::drain:
        case Mishap::Kind::resume:
            mishap.nodes = TRY(nodes_in(part, "nodes", model));
            mishap.reason = TRY(part.text("reason")).value_or("drained by the site");
    }
    return mishap;
}

Result<Mishap> read_drained(const TomlTable& part, const Model& model) {
    Mishap mishap{.kind = Mishap::Kind::drain};
    mishap.nodes = TRY(nodes_in(part, "nodes", model));
    mishap.reason = TRY(part.text("reason")).value_or("drained by the site");
    return mishap;
}

Result<Maintenance> read_maintenance(const TomlTable& part, const Model& model) {
    Maintenance window;
    window.nodes = TRY(nodes_in(part, "nodes", model));
    window.at = TRY(duration_in(part, "at", {}));
    window.lasts = TRY(duration_in(part, "for", 1h));
    window.every = TRY(duration_in(part, "every", {}));
    window.reason = TRY(part.text("reason")).value_or("maintenance");
    if (window.every > 0ms && window.every <= window.lasts) {
        return fail(Fault::invalid, "'every' is longer than the window",
                    {.where = part.where("every")});
    }
    return window;
}

}  // namespace sust::cluster::simulated
