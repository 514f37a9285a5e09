#include "cluster/simulated/site.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/simulated/site_file.h"
#include "cluster/words.h"
#include "core/text.h"

namespace sust::cluster::simulated {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

// Between two looks at whatever else waits for the loop: some tens of milliseconds.
constexpr std::size_t k_slice = 20'000;

constexpr std::size_t k_prune_each = 1024;

bool was_said_by_its_wrapper(End end) {
    return end == End::completed || end == End::failed || end == End::cancelled ||
           end == End::time_limit;
}

}  // namespace

// --- Coming back -----------------------------------------------------------------------------

Result<std::unique_ptr<Site>> Site::open(SiteOptions options, const core::Clock& clock,
                                         core::Log log) {
    std::unique_ptr<Site> site(new Site(std::move(options), clock, std::move(log)));
    TRY(site->restore());
    return site;
}

Result<void> Site::restore() {
    JournalHead head{.model = options_.digest, .origin = clock_.wall()};
    journal_ = TRY(
        Journal::open(options_.journal, head, [this](const Call& call) { return replay(call); }));
    origin_ = head.origin;
    if (is_new_) {
        return {};
    }
    if (!is_manual()) {
        const Call missed{
            .at = engine_.now(), .what = "miss", .words = std::to_string(due().count())};
        TRY(journal_->add(missed));
        TRY(apply(missed));
    }
    (void)engine_.take_orders();  // what they led to is there, or is done again below
    for (const auto* job : engine_.ours()) {
        take_up(*job);
    }
    prune();
    return {};
}

// Jobs that the engine forgot while they waited end without an order.
void Site::prune() {
    std::erase_if(launches_, [this](const auto& entry) {
        const auto* job = engine_.find(entry.first);
        return job == nullptr || job->phase == Phase::ended;
    });
}

Result<void> Site::replay(const Call& call) {
    is_new_ = false;
    while (!engine_.advance(call.at, k_slice)) {
    }
    TRY(apply(call));
    (void)engine_.take_orders();
    return {};
}

// What the engine says of a job, made true outside: a call may have been cut off before that.
void Site::take_up(const Job& job) {
    if (!launches_.contains(job.uid) || job.nodes.empty()) {
        return;
    }
    auto& hands = *options_.hands;
    const auto launch = launch_of(job);
    const auto files = JobFiles{launch.directory}.attempt(launch.epoch);
    if (job.phase == Phase::running || job.phase == Phase::stopping) {
        perform({Order::Kind::begin, job.uid});
        if (job.phase == Phase::stopping) {
            hands.stop(job.uid);
        }
    } else if (job.phase == Phase::ended && job.ask.is_command &&
               core::path_exists(files.attempt()) && !core::path_exists(files.exit())) {
        hands.begin(launch);
        hands.kill(job.uid);
    } else if (job.phase == Phase::ended && !job.ask.is_command) {
        play_end(job);
    }
}

// --- Time ------------------------------------------------------------------------------------

Time Site::due() const {
    const auto passed = static_cast<double>((clock_.wall() - origin_).count());
    // A clock that was set back does not take the site along.
    return std::max(engine_.now(), Time(std::llround(passed * model().factor)));
}

core::WallTime Site::wall_at(Time time) const {
    return origin_ + Duration(std::llround(static_cast<double>(time.count()) / model().factor));
}

void Site::go_on() {
    for (const auto& ended : options_.hands->look()) {
        const json words = {{"job", ended.job}, {"status", ended.status}, {"begun", ended.begun}};
        if (const auto told = call("finish", words.dump()); !told) {
            log_.error("the end of a job is not in the journal", told.error());
            engine_.finish(ended.job, ended.status, ended.begun);
            perform();
        }
    }
    if (!is_manual()) {
        (void)go_to(due());
    }
}

Result<bool> Site::advance(Time until) {
    if (!is_manual()) {
        return fail(Fault::conflict, "the clock of this site goes by itself",
                    {.hint = "clock = \"manual\" in SITE.toml"});
    }
    const bool reached = go_to(until);
    TRY(journal_->add({.at = engine_.now(), .what = "tick", .words = {}}));
    return reached;
}

// Moment by moment: what an order is about may be gone a moment later.
bool Site::go_to(Time until) {
    for (std::size_t moments = 0; engine_.next() <= until; ++moments) {
        if (moments == k_slice) {
            return false;
        }
        (void)engine_.advance(engine_.next(), k_slice);
        perform();
    }
    return engine_.advance(until, k_slice);
}

// --- Calls -----------------------------------------------------------------------------------

// In the journal first, so that nothing was promised that a restart does not know.
Result<void> Site::call(std::string what, std::string words) {
    const Call call{.at = engine_.now(), .what = std::move(what), .words = std::move(words)};
    TRY(journal_->add(call));
    TRY(apply(call));
    perform();
    return {};
}

// Also of a journal, whose words were checked when they were written.
Result<void> Site::apply(const Call& call) {
    const auto words = json::parse(call.words.empty() ? "null" : call.words, nullptr, false);
    const auto node = words.is_object() ? model().node_named(words.value("node", "")) : -1;
    if (call.what == "submit") {
        const auto said = TRY(read_submission(call.words));
        auto ask = TRY(ask_of(said, model()));
        launches_[engine_.next_uid()] = said;
        engine_.submit(std::move(ask));
    } else if (call.what == "cancel" && words.is_number_integer()) {
        engine_.cancel(words.get<int>());
    } else if (call.what == "hold" && node >= 0) {
        engine_.hold(node, words.value("reason", ""));
    } else if (call.what == "release" && node >= 0) {
        engine_.release(node);
    } else if (call.what == "finish" && words.is_object()) {
        engine_.finish(words.value("job", Uid{0}), words.value("status", 0),
                       words.value("begun", false));
    } else if (call.what == "mishap") {
        engine_.inject(
            TRY(read_mishap(TRY(core::TomlTable::from_json(call.words, "mishap")), model())));
    } else if (call.what == "miss" && words.is_number_integer()) {
        engine_.miss(Time(words.get<std::int64_t>()));
    } else if (call.what != "tick") {
        return fail(Fault::invalid, "no call '" + core::printable(call.what, 40) + "'");
    }
    return {};
}

Result<int> Site::submit(const Submission& submission) {
    const auto ask = TRY(ask_of(submission, model()));
    if (ask.is_command &&
        (!submission.directory.is_absolute() || !submission.agent.is_absolute())) {
        return fail(Fault::invalid, "a command needs 'directory' and 'agent', both absolute",
                    {.where = "job"});
    }
    go_on();
    if (launches_.size() % k_prune_each == k_prune_each - 1) {
        prune();
    }
    TRY(call("submit", to_text(submission)));
    return engine_.last_number();
}

Result<void> Site::cancel(int number, const std::string& token) {
    go_on();
    const auto* job = engine_.numbered(number);
    if (job == nullptr || (!token.empty() && job->ask.token.value != token)) {
        return {};  // the number is somebody else's by now
    }
    return call("cancel", std::to_string(number));
}

Result<void> Site::hold(const std::string& node, const std::string& reason) {
    if (model().node_named(node) < 0) {
        return fail(Fault::not_found, "no node '" + core::printable(node, 80) + "'");
    }
    go_on();
    return call("hold", json{{"node", node}, {"reason", core::printable(reason, 200)}}.dump());
}

Result<void> Site::release(const std::string& node) {
    if (model().node_named(node) < 0) {
        return fail(Fault::not_found, "no node '" + core::printable(node, 80) + "'");
    }
    go_on();
    return call("release", json{{"node", node}}.dump());
}

Result<void> Site::inject(std::string_view mishap) {
    const auto table = TRY(core::TomlTable::from_json(mishap, "mishap"));
    TRY(read_mishap(table, model()));
    TRY(table.no_other_keys());
    go_on();
    return call("mishap", table.json());
}

// --- What follows ----------------------------------------------------------------------------

Launch Site::launch_of(const Job& job) const {
    const auto& said = launches_.at(job.uid);
    Launch launch{.job = job.uid,
                  .token = said.token,
                  .epoch = said.epoch,
                  .directory = said.directory,
                  .agent = said.agent,
                  .base = said.base,
                  .nodes = {},
                  .gpus = job.gpus.empty() ? 0 : job.gpus.front()};
    for (const int node : job.nodes) {
        launch.nodes.push_back(model().nodes[static_cast<std::size_t>(node)]);
    }
    return launch;
}

// Orders of this moment are in the journal by then: a wrapper that the engine does not know of
// again would be started twice.
void Site::perform() {
    const auto orders = engine_.take_orders();
    if (orders.empty()) {
        return;
    }
    if (const auto kept = journal_->add({.at = engine_.now(), .what = "tick", .words = {}});
        !kept) {
        log_.error("the journal cannot be written", kept.error());
    }
    for (const auto& order : orders) {
        perform(order);
    }
}

void Site::perform(const Order& order) {
    const auto* job = engine_.find(order.job);
    if (job == nullptr || !launches_.contains(order.job)) {
        return;
    }
    auto& hands = *options_.hands;
    switch (order.kind) {
        case Order::Kind::begin:
            if (job->ask.is_command) {
                return hands.begin(launch_of(*job));
            }
            return hands.play_begin(launch_of(*job), wall_at(job->begun));
        case Order::Kind::stop:
            return hands.stop(order.job);
        case Order::Kind::kill:
            return hands.kill(order.job);
        case Order::Kind::over:
            if (!job->ask.is_command) {
                play_end(*job);
            }
            launches_.erase(order.job);
    }
}

// Where a node was lost or a job was preempted, there is no wrapper left to say so.
void Site::play_end(const Job& job) {
    if (job.end && was_said_by_its_wrapper(*job.end) && job.has_begun) {
        options_.hands->play_end(launch_of(job), {.status = job.exit_status,
                                                  .end = *job.end,
                                                  .started = wall_at(job.begun),
                                                  .finished = wall_at(job.ended)});
    }
}

}  // namespace sust::cluster::simulated
