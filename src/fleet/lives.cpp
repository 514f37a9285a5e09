#include "fleet/lives.h"

#include <algorithm>

#include "core/id.h"

namespace sust::fleet {

using namespace std::chrono_literals;
using S = ReplicaState;
using E = ReplicaEvent;

namespace {

// The first wait after an end, doubled with every further one up to the most.
constexpr Duration k_backoff_first = 1s;
constexpr Duration k_backoff_most = 60s;
// Ready for so long: the next end counts as the first again.
constexpr Duration k_stable = 60s;
// A stop is asked for again after the engine's grace and this much for the wrapper.
constexpr Duration k_stop_patience = 10s;
constexpr Duration k_forget_again = 5s;
// Start and drain are looked at often, since people wait for them.
constexpr Duration k_probe_soon = 200ms;
// One look may fall between two requests of a client that is just arriving.
constexpr int k_idle_looks = 2;

Duration backoff(int streak) {
    Duration wait = k_backoff_first;
    for (int i = 1; i < streak && wait < k_backoff_most; ++i) {
        wait *= 2;
    }
    return std::min(wait, k_backoff_most);
}

bool has_job(S state) {
    return state != S::backoff && state != S::gone;
}

}  // namespace

std::optional<serve::ReplicaState> shown_state(const ReplicaRecord& record) {
    switch (record.state) {
        case S::starting:
            return serve::ReplicaState::starting;
        case S::ready:
            return serve::ReplicaState::ready;
        case S::draining:
            return serve::ReplicaState::draining;
        case S::unhealthy:
        case S::restarting:
        case S::backoff:
            return serve::ReplicaState::unhealthy;
        case S::stopping:
        case S::gone:
            return std::nullopt;
    }
    return std::nullopt;
}

Lives::Lives(const FleetParts& parts, const FleetOptions& options, Book& book,
             const Acknowledgements& acknowledgements, core::Log log,
             std::function<void()> answered)
    : parts_(parts),
      options_(options),
      book_(book),
      acknowledgements_(acknowledgements),
      log_(std::move(log)),
      answered_(std::move(answered)),
      jobs_(parts, options) {}

const Engine& Lives::engine_of(const ReplicaRecord& record) const {
    // Both were checked when the fleet was opened and when the service was applied.
    return options_.engines.at(book_.plan_of(record)->spec.engine);
}

Result<EngineCommand> Lives::command(const ReplicaRecord& replica) const {
    return jobs_.command(replica, *book_.plan_of(replica));
}

std::optional<core::http::Address> Lives::address(const ReplicaRecord& replica) const {
    return jobs_.address(replica);
}

bool Lives::is_known(const ReplicaRecord& replica) const {
    const auto found = timers_.find(replica.id);
    return found == timers_.end() ||
           acknowledgements_.known(found->second.version, found->second.entered);
}

Duration Lives::time_for(const ReplicaRecord& record) const {
    const Engine& engine = engine_of(record);
    switch (record.state) {
        case S::starting:
            return engine.probe.ready_within;
        case S::ready:
            return Duration::max();
        case S::unhealthy:
            return engine.probe.sick_for;
        case S::draining:
            return book_.plan_of(record)->spec.drain_timeout;
        case S::stopping:
        case S::restarting:
            return engine.stop_grace + k_stop_patience;
        case S::backoff:
            return std::max(Duration::zero(), record.next_start - record.since);
        case S::gone:
            return k_forget_again;
    }
    return Duration::max();
}

// --- States ----------------------------------------------------------------------------------

void Lives::enter(const ReplicaRecord& record, core::MonoTime entered) {
    Timers& timers = timers_[record.id];
    const auto now = parts_.clock.monotonic();
    const Duration time = time_for(record);
    timers = {.entered = entered,
              .deadline = time == Duration::max() ? core::MonoTime::max() : entered + time,
              .next_probe = now,
              .version = book_.version(),
              .life = timers.life + 1,
              .probing = timers.probing};
}

void Lives::apply(ReplicaRecord& record, const Transition& row, const Happening& happening) const {
    const auto now = parts_.clock.wall();
    if (row.state == S::ready && now - record.since >= k_stable) {
        record.streak = 0;
    }
    record.state = row.next;
    record.since = now;
    if (happening.event != E::retire && happening.event != E::drained) {
        record.reason = happening.reason;
    }
    if (row.next == S::ready) {
        record.was_ready = true;
    }
    if (row.next == S::draining) {
        record.drain_version = book_.version() + 1;
    }
    if (happening.event == E::ended) {
        record.ended_epoch = happening.epoch;
    }
    if (row.state == S::starting && row.event == E::overdue) {
        // It had its full time; three of them would be too long to learn that it does not work.
        record.streak = std::max(record.streak, k_tries - 1);
    }
    if (row.action == ReplicaAction::start || row.action == ReplicaAction::wait) {
        record.endpoint.reset();
    }
    if (row.action == ReplicaAction::wait) {
        record.streak += 1;
        record.restarts += 1;
        record.next_start = now + backoff(record.streak);
    }
}

void Lives::fire(const std::string& id, Happening happening) {
    const auto* known = book_.replica(id);
    const auto* row = known == nullptr ? nullptr : find_transition(known->state, happening.event);
    if (row == nullptr) {
        return;
    }
    ReplicaRecord record = *known;
    const auto shown_before = shown_state(record);
    apply(record, *row, happening);
    const bool visible = shown_before != shown_state(record);
    if (const auto kept = book_.put(record, visible ? Visible::yes : Visible::no); !kept) {
        // Nothing has happened yet; what caused it will be seen again.
        log_.error("write down the state of a replica", kept.error());
        return;
    }
    enter(record, parts_.clock.monotonic());
    log_.info("replica " + std::string(to_string(row->event)),
              {{"service", record.service},
               {"replica", id},
               {"from", std::string(to_string(row->state))},
               {"to", std::string(to_string(row->next))},
               {"reason", happening.reason}});
    act(row->action, id);
}

void Lives::act(ReplicaAction action, const std::string& id) {
    switch (action) {
        case ReplicaAction::none:
        case ReplicaAction::wait:
            return;
        case ReplicaAction::start:
            return start(id);
        case ReplicaAction::stop:
            if (const auto asked = jobs_.stop(*book_.replica(id)); !asked) {
                log_.error("stop replica " + id, asked.error());  // asked again when overdue
            }
            return;
        case ReplicaAction::forget:
            return forget(id);
    }
}

void Lives::start(const std::string& id) {
    const ReplicaRecord& record = *book_.replica(id);
    if (const auto started = jobs_.start(record, *book_.plan_of(record)); !started) {
        log_.error("start replica " + id, started.error());
        fire(id, {.event = E::ended,
                  .reason = core::to_string(started.error()),
                  .epoch = record.ended_epoch});
    }
}

void Lives::forget(const std::string& id) {
    auto forgotten = jobs_.forget(*book_.replica(id));
    if (forgotten) {
        forgotten = book_.remove_replica(id);
    }
    if (!forgotten) {
        log_.error("forget replica " + id, forgotten.error());  // tried again when overdue
        return;
    }
    timers_.erase(id);
}

// --- From outside ----------------------------------------------------------------------------

void Lives::adopt() {
    const auto wall = parts_.clock.wall();
    const auto now = parts_.clock.monotonic();
    std::vector<std::string> ids;
    for (const auto& [id, record] : book_.replicas()) {
        // What is left of the state's time; a clock that was set back grants no more than all.
        const Duration spent = std::max(Duration::zero(), wall - record.since);
        enter(record, now - std::min<Duration>(spent, 24h));
        ids.push_back(id);
    }
    for (const auto& id : ids) {
        const S state = book_.replica(id)->state;
        if (state == S::starting) {
            start(id);
        } else if (state == S::stopping || state == S::restarting) {
            act(ReplicaAction::stop, id);
        }
        // An answer of the gateways is needed from now on: before, they may have had no one to ask.
        timers_[id].entered = now;
        look(id);
    }
    jobs_.end_strangers(book_.replicas(), log_);
}

Result<void> Lives::check_placement(const ServicePlan& plan) const {
    TRY(jobs_.choose({.id = "rep-made-up", .service = plan.spec.name}, plan));
    return {};
}

Result<void> Lives::create(const ServiceRecord& service) {
    ReplicaRecord record{.id = core::make_id(parts_.clock, "rep-"),
                         .service = service.name,
                         .generation = service.target,
                         .state = S::starting,
                         .since = parts_.clock.wall()};
    record.placement = TRY(jobs_.choose(record, service.plan()));
    TRY(book_.put(record, Visible::yes));
    enter(record, parts_.clock.monotonic());
    log_.info("replica begins", {{"service", record.service},
                                 {"replica", record.id},
                                 {"generation", std::to_string(record.generation)},
                                 {"backend", record.placement.backend}});
    start(record.id);
    return {};
}

void Lives::retire(const std::string& id) {
    fire(id, {.event = E::retire});
}

void Lives::on_job(const cluster::JobStatus& status) {
    if (book_.replica(status.token.value) != nullptr) {
        look(status.token.value);
    } else if (ReplicaJobs::is_replica(status.token) && is_final(status.state)) {
        jobs_.forget_stranger(status.token, log_);
    }
}

void Lives::tick() {
    std::vector<std::string> ids;
    for (const auto& [id, record] : book_.replicas()) {
        ids.push_back(id);
    }
    for (const auto& id : ids) {
        move_on(id);
    }
}

void Lives::move_on(const std::string& id) {
    look(id);
    if (book_.replica(id) == nullptr) {
        return;
    }
    if (parts_.clock.monotonic() >= timers_[id].deadline) {
        const S state = book_.replica(id)->state;
        fire(id,
             {.event = E::overdue,
              .reason = state == S::starting    ? "not ready in time: " + book_.replica(id)->reason
                        : state == S::unhealthy ? "did not recover: " + book_.replica(id)->reason
                                                : book_.replica(id)->reason});
    }
    if (book_.replica(id) != nullptr) {
        probe(id);
    }
}

void Lives::look(const std::string& id) {
    const ReplicaRecord& record = *book_.replica(id);
    if (!has_job(record.state)) {
        return;
    }
    auto sight = jobs_.look(record);
    if (!sight) {
        log_.error("look at the job of replica " + id, sight.error());
        return;
    }
    if (sight->seen == ReplicaJobs::Seen::ended) {
        fire(id, {.event = E::ended, .reason = std::move(sight->reason), .epoch = sight->epoch});
    } else if (sight->seen == ReplicaJobs::Seen::not_started && record.state == S::starting) {
        start(id);
    } else if (sight->seen == ReplicaJobs::Seen::not_started) {
        fire(id, {.event = E::ended, .reason = record.reason, .epoch = record.ended_epoch});
    } else if (sight->seen == ReplicaJobs::Seen::runs && record.state == S::starting) {
        wait_for_engine(record, *sight);
    }
}

// The time that an engine has to become ready begins with its start: how long its job waits for a
// place is the scheduler's affair.
void Lives::wait_for_engine(const ReplicaRecord& record, const ReplicaJobs::Sight& sight) {
    Timers& timers = timers_[record.id];
    const auto now = parts_.clock.monotonic();
    const auto time = engine_of(record).probe.ready_within;
    if (sight.waits) {
        timers.deadline = now + time;
        if (record.streak == 0) {
            book_.set_reason(record.id, sight.reason);
        }
        return;
    }
    if (sight.started != core::WallTime{}) {
        const Duration spent = std::max(Duration::zero(), parts_.clock.wall() - sight.started);
        timers.deadline = std::max(timers.deadline, now + time - std::min<Duration>(spent, time));
    }
    if (!record.endpoint && !jobs_.address(record)) {
        find_endpoint(record);
    }
}

void Lives::find_endpoint(const ReplicaRecord& record) {
    auto endpoint = jobs_.find_endpoint(record);
    if (!endpoint) {
        book_.set_reason(record.id, core::to_string(endpoint.error()));
        return;
    }
    if (*endpoint) {
        auto found = record;
        found.endpoint = std::move(*endpoint);
        if (const auto kept = book_.put(std::move(found), Visible::yes); !kept) {
            log_.error("keep the endpoint of replica " + record.id, kept.error());
        }
    }
}

// --- Probes ----------------------------------------------------------------------------------

void Lives::probe(const std::string& id) {
    const ReplicaRecord& record = *book_.replica(id);
    Timers& timers = timers_[id];
    const auto now = parts_.clock.monotonic();
    if (timers.probing || now < timers.next_probe) {
        return;
    }
    const Engine& engine = engine_of(record);
    ProbeKind kind = ProbeKind::health;
    Duration every = engine.probe.every;
    if (record.state == S::starting) {
        kind = ProbeKind::ready;
        every = k_probe_soon;
    } else if (record.state == S::draining) {
        if (!acknowledgements_.complete(record.drain_version, timers.entered)) {
            return;
        }
        kind = ProbeKind::idle;
        every = k_probe_soon;
    } else if (record.state != S::ready && record.state != S::unhealthy) {
        return;
    }
    const auto address = jobs_.address(record);
    if (!address) {
        return;
    }
    timers.probing = true;
    timers.next_probe = now + every;
    Probe question{.address = *address, .kind = kind, .how = engine.probe};
    parts_.prober.ask(question, [this, alive = std::weak_ptr<bool>(alive_), id, life = timers.life,
                                 question](const ProbeAnswer& answer) {
        if (!alive.expired()) {
            on_answer(id, life, question, answer);
            answered_();
        }
    });
}

void Lives::on_answer(const std::string& id, std::uint64_t life, const Probe& probe,
                      const ProbeAnswer& answer) {
    const auto found = timers_.find(id);
    if (found == timers_.end()) {
        return;
    }
    Timers& timers = found->second;
    timers.probing = false;
    if (timers.life != life) {
        return;
    }
    if (probe.kind == ProbeKind::idle) {
        timers.idle_in_a_row = answer.good ? timers.idle_in_a_row + 1 : 0;
        if (timers.idle_in_a_row >= k_idle_looks) {
            fire(id, {.event = E::drained});
        }
    } else if (answer.good) {
        timers.failures = 0;
        book_.set_reason(id, {});
        fire(id, {.event = E::answers});
    } else {
        timers.failures += 1;
        if (timers.failures >= probe.how.failures) {
            fire(id, {.event = E::silent, .reason = answer.why});
        }
        // Why the last start came to nothing says more than that this one is not there yet.
        if (const auto* now = book_.replica(id); now->state != S::starting || now->streak == 0) {
            book_.set_reason(id, answer.why);
        }
    }
}

}  // namespace sust::fleet
