#include "cluster/simulated/site_job.h"

#include <algorithm>

#include <fmt/format.h>

#include "cluster/tasks.h"
#include "core/text.h"

namespace sust::cluster::simulated {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr int k_tries_max = 8;  // submissions of one attempt that were lost or not answered
constexpr Duration k_first_pause = 250ms;
constexpr Duration k_pause_max = 30s;
constexpr std::size_t k_number_bytes_max = 64;
// The wrapper ends a command at its time limit; the site's own is for a wrapper that cannot.
constexpr Duration k_slack = 10s;

Sight unreadable(const std::string& reason) {
    return {.event = Event::words_unreadable, .reason = reason};
}

}  // namespace

const PartitionRow* Context::partition_of(const JobSpec& spec) const {
    if (!site) {
        return nullptr;
    }
    const auto& wanted = spec.partition.empty() ? options.partition : spec.partition;
    const auto found = std::find_if(
        site->partitions.begin(), site->partitions.end(), [&](const PartitionRow& partition) {
            return wanted.empty() ? partition.is_default : partition.name == wanted;
        });
    return found == site->partitions.end() ? nullptr : &*found;
}

Result<Submission> submission_of(const JobSpec& spec, const SimulatedOptions& options) {
    Submission said{.token = spec.token};
    said.nodes = spec.shape.nodes;
    said.cores = std::max(1, spec.shape.tasks_per_node * spec.shape.cpus_per_task);
    said.memory_bytes = spec.shape.memory_bytes;
    said.gpus = spec.shape.gpus;
    said.partition = spec.partition.empty() ? options.partition : spec.partition;
    said.account = spec.account.empty() ? options.account : spec.account;
    said.priority = spec.priority;
    said.limit = spec.time_limit;
    said.grace = spec.stop_grace;
    said.exclude_nodes = spec.exclude_nodes;
    said.directory = options.book.jobs / spec.token.value;
    said.agent = options.agent;
    said.base = options.base;
    for (const auto& [name, value] : spec.options) {
        if (name == "duration") {
            said.duration = TRY(core::within("options.duration", core::parse_duration(value)));
        } else if (name == "exit_status") {
            const auto status =
                TRY(core::within("options.exit_status", core::parse_integer(value)));
            if (status < 0 || status > 255) {
                return fail(Fault::invalid, "an exit status is between 0 and 255",
                            {.where = "options.exit_status"});
            }
            said.exit_status = static_cast<int>(status);
        } else {
            return fail(
                Fault::invalid,
                fmt::format("'{}' is no option of a simulated site", core::printable(name, 60)),
                {.where = "options", .hint = "these are: duration, exit_status"});
        }
    }
    return said;
}

namespace {

// One of the launcher's tasks is a node: it finds its place in the list that the site wrote, and
// starts the tasks of that node.
constexpr std::string_view k_node_script =
    "list=$SUST_JOB_ATTEMPT/nodes\n"
    "SUST_NODE_RANK=$SUST_RANK SUST_NODES=$SUST_WORLD_SIZE SUST_HEAD_NODE=$(sed -n 1p \"$list\")\n"
    "SUST_NODE_NAME=$(sed -n $((SUST_RANK + 1))p \"$list\")\n"
    "export SUST_NODE_RANK SUST_NODES SUST_HEAD_NODE SUST_NODE_NAME\n"
    "unset SUST_RANK SUST_WORLD_SIZE SUST_LOCAL_RANK SUST_LOCAL_SIZE\n"
    "exec \"$@\"\n";

}  // namespace

std::vector<std::string> launcher_of(const JobSpec& spec, const SimulatedOptions& options) {
    const auto& shape = spec.shape;
    if (shape.nodes == 1 && shape.tasks_per_node == 1) {
        return {};
    }
    const auto agent = options.agent.string();
    const auto tasks = tasks_launcher(agent, shape.tasks_per_node, spec.stop_grace);
    if (shape.nodes == 1) {
        return tasks;
    }
    auto words = tasks_launcher(agent, shape.nodes, spec.stop_grace);
    words.insert(words.end(), {"/bin/sh", "-c", std::string(k_node_script), "node"});
    words.insert(words.end(), tasks.begin(), tasks.end());
    return words;
}

const JobRow* SiteJob::row() const {
    const auto found = context_.rows.find({status().token, status().epoch});
    return found == context_.rows.end() ? nullptr : &found->second;
}

bool SiteJob::look() {
    const auto now = context_.clock.monotonic();
    if (now < asked_.next_look) {
        return false;
    }
    asked_.next_look = now + context_.options.period;
    const auto sight = see();
    return sight && kept_.apply(*sight, context_.clock, context_.log);
}

// --- What is seen ----------------------------------------------------------------------------

std::optional<Sight> SiteJob::see() {
    if (const auto begun = begin(); !begun) {
        return unreadable(core::to_string(begun.error()));
    }
    const auto* row = this->row();
    const auto attempt = kept_.attempt();  // where it runs, also of one that has ended by now
    // exit.json is the wrapper's last word: with it, nothing of the attempt runs any more.
    if (auto words = kept_.final_words()) {
        return words->stopped ? see_stopped(std::move(*words), row) : words;
    }
    if (!attempt && attempt.error().fault != Fault::invalid) {
        return unreadable(core::to_string(attempt.error()));
    }
    const auto word = attempt.value_or(std::optional<AttemptWord>());
    if (row != nullptr) {
        asked_.id = row->id;
        return see_row(*row, word);
    }
    return see_absent(word);
}

std::optional<Sight> SiteJob::see_row(const JobRow& row,
                                      const std::optional<AttemptWord>& attempt) {
    if (row.end) {
        return see_end(*row.end, attempt);
    }
    asked_.ended_since.reset();
    if (attempt) {
        return Sight{.event = kept_.is_stopping() ? Event::stop_begun : Event::attempt_written,
                     .started = attempt->started};
    }
    if (asked_.cancelled) {
        ask_to_cancel();
        return Sight{.event = Event::stop_begun, .reason = "being cancelled"};
    }
    return row.phase == Phase::waiting
               ? Sight{.event = Event::waiting, .reason = row.reason}
               : Sight{.event = Event::being_started, .reason = core::join(row.nodes, ",")};
}

// Somebody stopped the wrapper, and the site knows why; its list may not say so yet.
std::optional<Sight> SiteJob::see_stopped(Sight words, const JobRow* row) {
    const auto end = row == nullptr ? std::optional<End>() : row->end;
    if (end && *end != End::completed && *end != End::failed) {
        words.end = end;
        words.reason = fmt::format("the site: {}", to_string(*end));
        return words;
    }
    const auto now = context_.clock.monotonic();
    asked_.ended_since = asked_.ended_since.value_or(now);
    const bool told = end || now - *asked_.ended_since > context_.options.carrier_grace;
    return told ? std::optional<Sight>(std::move(words)) : std::nullopt;
}

// The site says that it is over, and the wrapper has said nothing yet: its word may be on its way.
std::optional<Sight> SiteJob::see_end(End end, const std::optional<AttemptWord>& attempt) {
    const auto now = context_.clock.monotonic();
    asked_.ended_since = asked_.ended_since.value_or(now);
    if (now - *asked_.ended_since < context_.options.carrier_grace) {
        return std::nullopt;
    }
    if (end != End::completed && end != End::failed) {
        return conclude(end, fmt::format("the site: {}", to_string(end)));
    }
    return attempt ? conclude(End::vanished, "its wrapper ended without a word")
                   : conclude(End::start_failed, "the site could not start its wrapper: is " +
                                                     context_.options.agent.string() + " there?");
}

std::optional<Sight> SiteJob::see_absent(const std::optional<AttemptWord>& attempt) {
    if (attempt) {
        return see_silence(*attempt);
    }
    if (asked_.submitting) {
        return std::nullopt;
    }
    if (!context_.has_listing_after(std::max(asked_.doubtful_since, context_.opened))) {
        if (context_.trouble.empty()) {
            return asked_.id == 0 ? std::optional<Sight>() : Sight{.event = Event::handed_over};
        }
        return asked_.id == 0 ? Sight{.event = Event::waiting, .reason = context_.trouble}
                              : unreadable(context_.trouble);
    }
    return see_unsubmitted();
}

// The site does not have it, and its command has not begun.
std::optional<Sight> SiteJob::see_unsubmitted() {
    if (asked_.cancelled) {
        return conclude(End::cancelled, "cancelled before the command was started");
    }
    if (asked_.refusal) {
        return conclude(End::start_failed, core::to_string(*asked_.refusal));
    }
    if (asked_.id != 0) {
        asked_.trouble = fmt::format("the site forgot it as its job {}", asked_.id);
        asked_.id = 0;
    }
    if (asked_.tries == k_tries_max) {
        return conclude(End::start_failed,
                        fmt::format("not taken in {} tries: {}", k_tries_max, asked_.trouble));
    }
    if (context_.clock.monotonic() < asked_.next_try) {
        return Sight{.event = Event::waiting, .reason = asked_.trouble};
    }
    return ask_to_submit();
}

// The command has begun and the site does not list it: forgotten, or a list that did not come. Its
// heart tells.
Sight SiteJob::see_silence(const AttemptWord& attempt) {
    const auto now = context_.clock.monotonic();
    const auto beat = core::read_file(kept_.files().heartbeat(), 256).value_or("");
    if (beat != asked_.beat || asked_.beat_since == core::MonoTime{}) {
        asked_.beat = beat;
        asked_.beat_since = now;
    }
    const bool silent = now - asked_.beat_since > context_.options.silence;
    if (silent && context_.has_listing_after(asked_.beat_since)) {
        return conclude(End::vanished, "the site forgot it, and its wrapper has been silent for " +
                                           core::format_duration(context_.options.silence));
    }
    if (silent) {
        return unreadable(context_.trouble.empty() ? "its wrapper is silent" : context_.trouble);
    }
    return {.event = kept_.is_stopping() ? Event::stop_begun : Event::attempt_written,
            .source = Source::wrapper,
            .started = attempt.started};
}

Sight SiteJob::conclude(End end, std::string reason) {
    return kept_.conclude(end, std::move(reason), context_.clock, context_.log);
}

// --- What is done ----------------------------------------------------------------------------

Result<void> SiteJob::begin() {
    TRY(kept_.load());
    if (asked_.is_read) {
        return {};
    }
    const auto number = TRY(core::read_file_if_any(kept_.files().native(), k_number_bytes_max));
    asked_.id = static_cast<int>(core::parse_integer(core::trim(number.value_or(""))).value_or(0));
    asked_.cancelled = kept_.is_cancelled();
    asked_.is_read = true;
    return {};
}

std::optional<Sight> SiteJob::ask_to_submit() {
    auto said = submission_of(kept_.spec(), context_.options);
    const auto excluded = kept_.excluded_nodes();
    const auto limit = kept_.time_limit();
    if (!said || !excluded || !limit) {
        return unreadable(core::to_string(!said       ? said.error()
                                          : !excluded ? excluded.error()
                                                      : limit.error()));
    }
    const auto* partition = context_.partition_of(kept_.spec());
    const bool plays = said->duration || (context_.site && context_.site->plays);
    said->epoch = status().epoch;
    said->exclude_nodes = *excluded;
    said->limit = plays ? *limit : *limit + said->grace + k_slack;
    if (partition != nullptr && partition->longest) {
        said->limit = std::min(said->limit, *partition->longest);
    }
    const auto answer = std::make_shared<Result<int>>();
    const auto posted =
        context_.worker.post([answer, said = std::move(*said),
                              &client = context_.client] { *answer = client.submit(said); },
                             [this, answer, life = std::weak_ptr<int>(life_)] {
                                 if (!life.expired()) {
                                     on_submitted(*answer);
                                 }
                             });
    asked_.submitting = posted.has_value();
    return posted ? std::optional<Sight>()
                  : Sight{.event = Event::waiting, .reason = posted.error().message};
}

void SiteJob::on_submitted(const Result<int>& id) {
    asked_.submitting = false;
    asked_.next_look = {};
    asked_.doubtful_since = context_.clock.monotonic();
    if (id) {
        asked_.id = *id;
        asked_.trouble.clear();
        // Without it the next controller finds the number in the site's list.
        if (const auto kept =
                core::write_file(kept_.files().native(), std::to_string(*id) + "\n", 0600);
            !kept) {
            context_.log.warn("a number of the site could not be kept",
                              {{"job", status().token.value}, {"id", std::to_string(*id)}});
        }
        return;
    }
    const auto& error = id.error();
    asked_.trouble = core::to_string(error);
    // Whether it arrived is not known: the list has to be asked before it is tried again.
    asked_.next_try = asked_.doubtful_since +
                      std::min(k_pause_max, k_first_pause * (1 << std::min(asked_.tries, 7)));
    if (error.fault == Fault::invalid || error.fault == Fault::denied) {
        asked_.refusal = error;
    } else if (error.fault != Fault::unavailable) {
        ++asked_.tries;  // a site that is away is waited for
    }
}

// The wrapper looks for the wish itself; what has none is taken out of the queue.
Result<void> SiteJob::stop() {
    asked_.cancelled = true;
    asked_.next_look = {};
    ask_to_cancel();
    return {};
}

void SiteJob::ask_to_cancel() {
    if (asked_.id == 0 || asked_.cancelling) {
        return;
    }
    const auto posted = context_.worker.post(
        [id = asked_.id, token = status().token, &client = context_.client] {
            (void)client.cancel(id, token);
        },
        [this, life = std::weak_ptr<int>(life_)] {
            if (!life.expired()) {
                asked_.cancelling = false;  // asked again while it is still listed
            }
        });
    asked_.cancelling = posted.has_value();
}

Result<std::int64_t> SiteJob::resubmit(const Orders& orders) {
    const auto epoch = TRY(begin_another(orders, context_.clock));
    life_ = std::make_shared<int>(0);
    asked_ = {};
    return epoch;
}

}  // namespace sust::cluster::simulated
