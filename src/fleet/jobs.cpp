#include "fleet/jobs.h"

#include <algorithm>

#include "core/link_proof.h"
#include "core/text.h"

namespace sust::fleet {

using cluster::Capability;
using cluster::Token;

namespace {

// A replica runs until it is stopped; the local back end wants a number.
constexpr Duration k_time_limit = std::chrono::hours(24 * 365);
// The end of an engine's log, in which to find why it ended.
constexpr std::size_t k_words_bytes = 64 << 10;
constexpr std::string_view k_prefix = "rep-";
constexpr std::size_t k_endpoint_bytes_max = 4 << 10;

Token token_of(const ReplicaRecord& replica) {
    return {replica.id};
}

// The last line that speaks of an error, else the last line.
std::string telling_line(const std::string& text) {
    std::string last;
    std::string error;
    for (const auto& line : core::split(text, '\n')) {
        const auto trimmed = core::trim(line);
        if (trimmed.empty()) {
            continue;
        }
        last = trimmed;
        if (trimmed.find("rror") != std::string::npos ||
            trimmed.find("ailed") != std::string::npos) {
            error = trimmed;
        }
    }
    return core::printable(error.empty() ? last : error, 300);
}

}  // namespace

bool ReplicaJobs::is_replica(const Token& token) {
    return token.value.starts_with(k_prefix);
}

// --- Where it is -----------------------------------------------------------------------------

Result<cluster::Scheduler*> ReplicaJobs::scheduler_of(const ReplicaRecord& replica) const {
    return parts_.backends.find(replica.placement.backend);
}

bool ReplicaJobs::is_here(const ReplicaRecord& replica) const {
    const auto scheduler = scheduler_of(replica);
    return scheduler && (*scheduler)->capabilities().contains(Capability::this_machine);
}

Result<Path> ReplicaJobs::socket_place(const ReplicaRecord& replica) const {
    if (is_here(replica)) {
        return socket_folder(options_.places.run / "replicas" / replica.id, options_.uid);
    }
    // On the node's own disk; the relay makes it, and takes none that is not its own.
    return Path("/tmp") / ("sust-" + std::to_string(options_.uid) + "-" + replica.id);
}

Path ReplicaJobs::shared_folder(const ReplicaRecord& replica) const {
    return options_.places.data / "replicas" / replica.id;
}

std::optional<core::http::Address> ReplicaJobs::address(const ReplicaRecord& replica) const {
    if (is_here(replica)) {
        const auto place = socket_place(replica);
        return place ? std::optional<core::http::Address>(
                           core::http::UnixAddress{*place / k_engine_socket})
                     : std::nullopt;
    }
    if (!replica.endpoint) {
        return std::nullopt;
    }
    return core::http::TcpAddress{.host = replica.endpoint->host,
                                  .port = replica.endpoint->port,
                                  .link_key = core::link_key(options_.link_secret, replica.id)};
}

Result<std::optional<cluster::Endpoint>> ReplicaJobs::find_endpoint(
    const ReplicaRecord& replica) const {
    const auto text = TRY(core::read_file_if_any(shared_folder(replica) / cluster::k_endpoint_file,
                                                 k_endpoint_bytes_max));
    if (!text) {
        return std::optional<cluster::Endpoint>();
    }
    return std::optional(TRY(cluster::decode_endpoint(*text)));
}

// --- What it runs ----------------------------------------------------------------------------

Result<EngineCommand> ReplicaJobs::command(const ReplicaRecord& replica,
                                           const ServicePlan& plan) const {
    const auto* engine = TRY(find_engine(options_.engines, plan.spec.engine));
    return engine_command(*engine, plan.inputs(parts_.store, TRY(socket_place(replica))));
}

Result<cluster::JobSpec> ReplicaJobs::job_spec(const ReplicaRecord& replica,
                                               const ServicePlan& plan,
                                               const EngineCommand& command) const {
    auto* scheduler = TRY(scheduler_of(replica));
    const auto able = scheduler->capabilities();
    const auto* engine = TRY(find_engine(options_.engines, plan.spec.engine));
    cluster::JobSpec spec{.token = token_of(replica),
                          .name = "service " + replica.service,
                          .time_limit = k_time_limit,
                          .stop_grace = engine->stop_grace};
    Path socket = command.socket;
    if (able.contains(Capability::images)) {
        spec.image = command.environment;
        socket = Path(k_socket_inside) / k_engine_socket;
        for (const auto& mount : command.mounts) {
            if (mount.target != k_socket_inside) {
                spec.mounts.push_back({mount.source, mount.target, mount.read_only});
            }
        }
    }
    auto engine_argv =
        able.contains(Capability::images) ? command.argv : run_argv(options_.runner, command);
    if (!able.contains(Capability::this_machine)) {
        const auto shared = shared_folder(replica);
        spec.argv = {"sust-agent", "relay",
                     "--socket",   socket.string(),
                     "--key-file", (shared / "key").string(),
                     "--endpoint", (shared / cluster::k_endpoint_file).string()};
        if (const auto network = scheduler->network(); !network.empty()) {
            spec.argv.insert(spec.argv.end(), {"--network", network});
        }
        spec.argv.emplace_back("--");
        if (able.contains(Capability::images)) {
            spec.mounts.push_back({.source = shared, .target = shared, .read_only = false});
        }
        spec.shape.cpus_per_task = plan.spec.threads;
    }
    spec.argv.insert(spec.argv.end(), engine_argv.begin(), engine_argv.end());
    spec.shape.memory_bytes = plan.spec.memory_bytes;
    spec.shape.gpus = plan.spec.gpus;
    cluster::place(spec, replica.placement);
    if (const auto longest = scheduler->longest(spec)) {
        spec.time_limit = std::min(spec.time_limit, *longest);
    }
    return spec;
}

Result<cluster::Placement> ReplicaJobs::choose(const ReplicaRecord& replica,
                                               const ServicePlan& plan) const {
    return parts_.backends.choose(plan.spec.placement, [&](const cluster::Placement& placement) {
        auto there = replica;
        there.placement = placement;
        const auto command = this->command(there, plan);
        auto spec = command
                        ? job_spec(there, plan, *command)
                        : Result<cluster::JobSpec>(tl::unexpected<core::Error>(command.error()));
        return spec.value_or(cluster::JobSpec{});
    });
}

// --- Its life --------------------------------------------------------------------------------

// What an earlier attempt left is not taken for a word of this one.
Result<void> ReplicaJobs::prepare(const ReplicaRecord& replica,
                                  const EngineCommand& command) const {
    if (is_here(replica)) {
        TRY(core::make_directories(command.socket.parent_path(), 0700));
        return core::remove_tree(command.socket);
    }
    const auto shared = shared_folder(replica);
    TRY(core::make_directories(shared, 0700));
    TRY(core::remove_tree(shared / cluster::k_endpoint_file));
    return core::write_file(shared / "key",
                            core::link_key(options_.link_secret, replica.id).reveal() + "\n", 0600);
}

Result<void> ReplicaJobs::start(const ReplicaRecord& replica, const ServicePlan& plan) {
    auto* scheduler = TRY(scheduler_of(replica));
    const auto command = TRY(this->command(replica, plan));
    const auto status = TRY(scheduler->describe(token_of(replica)));
    if (status && (!is_final(status->state) || status->epoch > replica.ended_epoch)) {
        return {};
    }
    TRY(prepare(replica, command));
    if (status) {
        TRY(scheduler->resubmit(token_of(replica), {}));
        return {};
    }
    return scheduler->submit(TRY(job_spec(replica, plan, command)));
}

Result<void> ReplicaJobs::stop(const ReplicaRecord& replica) {
    return TRY(scheduler_of(replica))->cancel(token_of(replica));
}

Result<void> ReplicaJobs::forget(const ReplicaRecord& replica) {
    auto* scheduler = TRY(scheduler_of(replica));
    if (TRY(scheduler->describe(token_of(replica)))) {
        TRY(scheduler->forget(token_of(replica)));
    }
    TRY(core::remove_tree(shared_folder(replica)));
    return is_here(replica) ? core::remove_tree(TRY(socket_place(replica))) : Result<void>();
}

Result<ReplicaJobs::Sight> ReplicaJobs::look(const ReplicaRecord& replica) {
    auto* scheduler = TRY(scheduler_of(replica));
    const auto status = TRY(scheduler->describe(token_of(replica)));
    if (!status) {
        return Sight{.seen = Seen::ended, .epoch = 0, .reason = "its job is gone"};
    }
    if (!is_final(status->state)) {
        const bool started =
            status->state == cluster::State::running || status->state == cluster::State::stopping;
        return Sight{.seen = Seen::runs,
                     .epoch = status->epoch,
                     .reason = std::string(to_string(status->state)) +
                               (status->reason.empty() ? "" : ": " + status->reason),
                     .waits = !started,
                     .started = status->started};
    }
    if (status->epoch <= replica.ended_epoch) {
        return Sight{.seen = Seen::not_started, .epoch = status->epoch};
    }
    std::string reason =
        status->reason.empty() ? std::string(to_string(status->state)) : status->reason;
    if (const auto words = last_words(*scheduler, token_of(replica)); !words.empty()) {
        reason += ": " + words;
    }
    return Sight{.seen = Seen::ended, .epoch = status->epoch, .reason = std::move(reason)};
}

std::string ReplicaJobs::last_words(cluster::Scheduler& scheduler, const Token& token) {
    const auto size = scheduler.logs(token, cluster::Stream::err, 0, 0);
    const auto end = size ? size->end : 0;
    const auto tail =
        scheduler.logs(token, cluster::Stream::err,
                       end - std::min<std::uint64_t>(end, k_words_bytes), k_words_bytes);
    return tail ? telling_line(tail->bytes) : std::string();
}

void ReplicaJobs::forget_stranger(const Token& token, const core::Log& log) {
    for (const auto& [name, scheduler] : parts_.backends.all()) {
        const auto job = scheduler->describe(token);
        if (!job || !*job || !is_final((*job)->state)) {
            continue;
        }
        if (const auto forgotten = scheduler->forget(token); !forgotten) {
            log.error("forget job " + token.value, forgotten.error());
        }
    }
}

void ReplicaJobs::end_strangers(const std::map<std::string, ReplicaRecord>& known,
                                const core::Log& log) {
    for (const auto& [name, scheduler] : parts_.backends.all()) {
        const auto jobs = scheduler->list();
        if (!jobs) {
            log.error("list jobs of " + name, jobs.error());
            continue;
        }
        for (const auto& job : *jobs) {
            if (!is_replica(job.token) || known.contains(job.token.value)) {
                continue;
            }
            log.warn("a replica that no service knows is ended", {{"replica", job.token.value}});
            const auto ended =
                is_final(job.state) ? scheduler->forget(job.token) : scheduler->cancel(job.token);
            if (!ended) {
                log.error("end it", ended.error());
            }
        }
    }
}

}  // namespace sust::fleet
