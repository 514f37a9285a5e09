#include "fleet/jobs.h"

#include <algorithm>

#include "core/text.h"

namespace sust::fleet {

using cluster::Token;

namespace {

// A replica runs until it is stopped; the local back end wants a number.
constexpr Duration k_time_limit = std::chrono::hours(24 * 365);
// The end of an engine's log, in which to find why it ended.
constexpr std::size_t k_words_bytes = 64 << 10;
constexpr std::string_view k_prefix = "rep-";

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

Result<Path> ReplicaJobs::folder(const ReplicaRecord& replica) const {
    return socket_folder(options_.places.run / "replicas" / replica.id, options_.uid);
}

Result<EngineCommand> ReplicaJobs::command(const ReplicaRecord& replica,
                                           const ServicePlan& plan) const {
    const auto* engine = TRY(find_engine(options_.engines, plan.spec.engine));
    return engine_command(*engine, plan.inputs(parts_.store, TRY(folder(replica))));
}

Result<void> ReplicaJobs::start(const ReplicaRecord& replica, const ServicePlan& plan) {
    const auto* engine = TRY(find_engine(options_.engines, plan.spec.engine));
    const auto command = TRY(this->command(replica, plan));
    const auto status = TRY(parts_.scheduler.describe(token_of(replica)));
    if (status && (!is_final(status->state) || status->epoch > replica.ended_epoch)) {
        return {};
    }
    TRY(core::make_directories(command.socket.parent_path(), 0700));
    std::error_code ignored;
    std::filesystem::remove(command.socket, ignored);  // left by a process that was killed
    if (status) {
        TRY(parts_.scheduler.resubmit(token_of(replica), {}));
        return {};
    }
    return parts_.scheduler.submit({.token = token_of(replica),
                                    .name = "service " + replica.service,
                                    .argv = run_argv(options_.runner, command),
                                    .time_limit = k_time_limit,
                                    .stop_grace = engine->stop_grace});
}

Result<void> ReplicaJobs::stop(const ReplicaRecord& replica) {
    return parts_.scheduler.cancel(token_of(replica));
}

Result<void> ReplicaJobs::forget(const ReplicaRecord& replica) {
    if (TRY(parts_.scheduler.describe(token_of(replica)))) {
        TRY(parts_.scheduler.forget(token_of(replica)));
    }
    return core::remove_tree(TRY(folder(replica)));
}

Result<ReplicaJobs::Sight> ReplicaJobs::look(const ReplicaRecord& replica) {
    const auto status = TRY(parts_.scheduler.describe(token_of(replica)));
    if (!status) {
        return Sight{.seen = Seen::ended, .epoch = 0, .reason = "its job is gone"};
    }
    if (!is_final(status->state)) {
        return Sight{.seen = Seen::runs, .epoch = status->epoch};
    }
    if (status->epoch <= replica.ended_epoch) {
        return Sight{.seen = Seen::not_started, .epoch = status->epoch};
    }
    std::string reason =
        status->reason.empty() ? std::string(to_string(status->state)) : status->reason;
    if (const auto words = last_words(token_of(replica)); !words.empty()) {
        reason += ": " + words;
    }
    return Sight{.seen = Seen::ended, .epoch = status->epoch, .reason = std::move(reason)};
}

std::string ReplicaJobs::last_words(const Token& token) {
    const auto size = parts_.scheduler.logs(token, cluster::Stream::err, 0, 0);
    const auto end = size ? size->end : 0;
    const auto tail =
        parts_.scheduler.logs(token, cluster::Stream::err,
                              end - std::min<std::uint64_t>(end, k_words_bytes), k_words_bytes);
    return tail ? telling_line(tail->bytes) : std::string();
}

void ReplicaJobs::end_strangers(const std::map<std::string, ReplicaRecord>& known,
                                const core::Log& log) {
    const auto jobs = parts_.scheduler.list();
    if (!jobs) {
        log.error("list jobs", jobs.error());
        return;
    }
    for (const auto& job : *jobs) {
        if (!is_replica(job.token) || known.contains(job.token.value)) {
            continue;
        }
        log.warn("a replica that no service knows is ended", {{"replica", job.token.value}});
        const auto ended = is_final(job.state) ? parts_.scheduler.forget(job.token)
                                               : parts_.scheduler.cancel(job.token);
        if (!ended) {
            log.error("end it", ended.error());
        }
    }
}

}  // namespace sust::fleet
