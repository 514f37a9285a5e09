#include "cluster/slurm/job.h"

#include <algorithm>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cluster/slurm/batch.h"
#include "core/plain_file.h"
#include "core/text.h"

namespace sust::cluster::slurm {

using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr int k_tries_max = 8;  // submissions of one attempt that were lost or not answered
constexpr Duration k_first_pause = 1s;
constexpr Duration k_pause_max = 60s;
constexpr std::size_t k_number_bytes_max = 64;

Sight unreadable(const std::string& reason) {
    return {.event = Event::words_unreadable, .reason = reason};
}

// Slurm could not start it and holds it for an administrator, who is not to be waited for.
bool is_stuck(const QueueRow& row) {
    return row.reason.find("launch failed") != std::string::npos ||
           row.reason.find("launch_failed") != std::string::npos;
}

std::string last_line(const Path& file) {
    const auto text =
        core::read_plain_file_if_any(file, 256 << 10).value_or(std::nullopt).value_or("");
    const auto trimmed = core::trim(text);
    const auto begin = trimmed.rfind('\n');
    return core::printable(begin == std::string_view::npos ? trimmed : trimmed.substr(begin + 1),
                           400);
}

}  // namespace

const Partition* Context::partition_of(const JobSpec& spec) const {
    if (!site) {
        return nullptr;
    }
    const auto& wanted = spec.partition.empty() ? options.partition : spec.partition;
    for (const auto& partition : site->partitions) {
        if (wanted.empty() ? partition.is_default : partition.name == wanted) {
            return &partition;
        }
    }
    return nullptr;
}

bool SlurmJob::look() {
    const auto now = context_.clock.monotonic();
    // One that is due soon is looked at with the others: so all are in one pass before long.
    if (now + context_.options.period / 2 < next_look_) {
        context_.due = std::min(context_.due, next_look_);
        return false;
    }
    next_look_ = now + context_.options.period;
    context_.due = std::min(context_.due, next_look_);
    const auto sight = see();
    return sight && kept_.apply(*sight, context_.clock, context_.log);
}

void SlurmJob::look_soon() {
    next_look_ = {};
    context_.due = {};
}

// --- What is seen ----------------------------------------------------------------------------

const std::string& SlurmJob::user() const {
    return owner() ? owner()->name : context_.transport.user();
}

const QueueRow* SlurmJob::row() const {
    const auto found = context_.rows.find(std::tie(user(), status().token, status().epoch));
    return found == context_.rows.end() ? nullptr : &found->second;
}

std::optional<Sight> SlurmJob::see() {
    if (const auto begun = begin(); !begun) {
        return unreadable(core::to_string(begun.error()));
    }
    const auto* listed = row();
    if (listed != nullptr && listed->state == "PENDING") {
        id_ = listed->id;  // nothing of it is on the file system yet
        return see_row(*listed, std::nullopt);
    }
    // exit.json is the wrapper's last word: with it, nothing of the attempt runs any more.
    if (auto words = kept_.final_words()) {
        words->nodes = listed == nullptr ? std::vector<std::string>() : listed->nodes;
        return words->stopped ? see_stopped(std::move(*words)) : words;
    }
    const auto attempt = kept_.attempt();
    if (!attempt && attempt.error().fault != Fault::invalid) {
        return unreadable(core::to_string(attempt.error()));
    }
    const auto word = attempt.value_or(std::optional<AttemptWord>());
    if (listed != nullptr) {
        id_ = listed->id;
        return see_row(*listed, word);
    }
    return see_absent(word);
}

std::optional<Sight> SlurmJob::see_row(const QueueRow& row,
                                       const std::optional<AttemptWord>& attempt) {
    if (const auto end = end_of(row.state)) {
        return see_end(*end, attempt);
    }
    ended_since_.reset();
    if (is_stuck(row)) {
        ask_to_cancel();
        return conclude(End::start_failed, "Slurm could not start it: " + row.reason);
    }
    if (attempt) {
        return Sight{.event = kept_.is_stopping() ? Event::stop_begun : Event::attempt_written,
                     .started = attempt->started,
                     .nodes = row.nodes};
    }
    if (cancelled_) {
        ask_to_cancel();
        return Sight{.event = Event::stop_begun, .reason = "being cancelled"};
    }
    if (row.state == "PENDING") {
        if (is_hopeless(row.reason)) {
            return see_hopeless(row);
        }
        hopeless_since_.reset();
        return Sight{.event = Event::waiting, .reason = row.reason};
    }
    return Sight{.event = Event::being_started, .reason = core::join(row.nodes, ",")};
}

// Slurm lets it wait where it could say no. An operator may still be changing what stands against
// it.
std::optional<Sight> SlurmJob::see_hopeless(const QueueRow& row) {
    const auto now = context_.clock.monotonic();
    hopeless_since_ = hopeless_since_.value_or(now);
    if (now - *hopeless_since_ < context_.options.hopeless_grace) {
        return Sight{.event = Event::waiting,
                     .reason = row.reason + ": as things stand, Slurm will never start it"};
    }
    ask_to_cancel();
    return conclude(End::start_failed, "Slurm would never have started it: " + row.reason);
}

// Somebody stopped the wrapper, and Slurm knows who: an administrator, its own limit, a job of
// higher priority. Its list may not say so yet.
std::optional<Sight> SlurmJob::see_stopped(Sight words) {
    const auto* listed = row();
    const auto end = listed == nullptr ? recall() : end_of(listed->state);
    if (end && *end != End::completed && *end != End::failed) {
        words.end = end;
        words.reason = fmt::format("Slurm: {}", to_string(*end));
        return words;
    }
    const auto now = context_.clock.monotonic();
    ended_since_ = ended_since_.value_or(now);
    const bool told = end || now - *ended_since_ > context_.options.carrier_grace;
    return told ? std::optional<Sight>(std::move(words)) : std::nullopt;
}

// Slurm says that it is over, and the wrapper has said nothing yet: its word may be on its way.
std::optional<Sight> SlurmJob::see_end(End end, const std::optional<AttemptWord>& attempt) {
    const auto now = context_.clock.monotonic();
    ended_since_ = ended_since_.value_or(now);
    if (now - *ended_since_ < context_.options.carrier_grace) {
        return std::nullopt;
    }
    const auto said = last_line(kept_.files().wrapper_log());
    if (end != End::completed && end != End::failed) {
        return conclude(end, fmt::format("Slurm: {}", to_string(end)));
    }
    if (attempt) {
        return conclude(End::vanished,
                        "its wrapper ended without a word" + (said.empty() ? "" : ": " + said));
    }
    if (end == End::failed) {
        return conclude(End::start_failed, said.empty() ? "Slurm could not start its wrapper: is " +
                                                              context_.options.agent.string() +
                                                              " on every node?"
                                                        : said);
    }
    return unreadable(
        "Slurm says that it is completed, and its directory has no word of it: do "
        "nodes see " +
        context_.options.book.jobs.string() + "?");
}

const Principal* SlurmJob::principal() const {
    return owner() ? context_.principals.named(owner()->name) : nullptr;
}

bool SlurmJob::is_forgotten() const {
    return !id_.empty() && context_.has_listing_after(std::max(doubtful_since_, context_.opened));
}

// What accounting says of its end, once Slurm's list has lost it.
std::optional<End> SlurmJob::recall() {
    if (!is_forgotten()) {
        return {};
    }
    context_.memory.doubt(id_, context_.clock.monotonic());
    return context_.memory.end_of(id_, status().token.value, user());
}

std::optional<Sight> SlurmJob::see_absent(const std::optional<AttemptWord>& attempt) {
    if (!asking_) {
        if (const auto end = recall()) {
            return see_end(*end, attempt);
        }
        if (!attempt && is_forgotten() &&
            context_.memory.is_waiting_for(id_, context_.clock.monotonic())) {
            return std::nullopt;
        }
    }
    if (attempt) {
        return see_silence(*attempt);
    }
    if (asking_) {
        return std::nullopt;
    }
    if (!context_.has_listing_after(std::max(doubtful_since_, context_.opened))) {
        if (context_.trouble.empty()) {
            return id_.empty() ? std::optional<Sight>() : Sight{.event = Event::handed_over};
        }
        return id_.empty() ? Sight{.event = Event::waiting, .reason = context_.trouble}
                           : unreadable(context_.trouble);
    }
    return see_unsubmitted();
}

// Slurm does not have it, and its command has not begun.
std::optional<Sight> SlurmJob::see_unsubmitted() {
    if (cancelled_) {
        return conclude(End::cancelled, "cancelled before the command was started");
    }
    if (refusal_) {
        return conclude(End::start_failed, core::to_string(*refusal_));
    }
    if (!id_.empty()) {
        trouble_ = fmt::format("Slurm forgot it as its job {}", id_);
        id_.clear();
    }
    if (tries_ == k_tries_max) {
        return conclude(End::start_failed,
                        fmt::format("not taken in {} tries: {}", k_tries_max, trouble_));
    }
    if (context_.clock.monotonic() < next_try_) {
        return Sight{.event = Event::waiting, .reason = trouble_};
    }
    return ask_to_submit();
}

// The command has begun and Slurm does not list it: forgotten, or a list that did not come. Its
// heart tells; a clock of another machine is not asked, only whether the file changes.
Sight SlurmJob::see_silence(const AttemptWord& attempt) {
    const auto now = context_.clock.monotonic();
    const auto beat = core::read_plain_file_if_any(kept_.files().heartbeat(), 256)
                          .value_or(std::nullopt)
                          .value_or("");
    if (beat != beat_ || beat_since_ == core::MonoTime{}) {
        beat_ = beat;
        beat_since_ = now;
    }
    const bool silent = now - beat_since_ > context_.options.silence;
    if (silent && context_.has_listing_after(beat_since_)) {
        return conclude(End::vanished, "Slurm forgot it, and its wrapper has been silent for " +
                                           core::format_duration(context_.options.silence));
    }
    if (silent) {
        return unreadable(context_.trouble.empty() ? "its wrapper is silent" : context_.trouble);
    }
    return {.event = kept_.is_stopping() ? Event::stop_begun : Event::attempt_written,
            .source = Source::wrapper,
            .started = attempt.started};
}

Sight SlurmJob::conclude(End end, std::string reason) {
    return kept_.conclude(end, std::move(reason), context_.clock, context_.log);
}

// --- What is done ----------------------------------------------------------------------------

Result<void> SlurmJob::begin() {
    TRY(kept_.load());
    // The file is its owner's to write, the owner of the directory is not.
    if (kept_.spec().principal != (owner() ? owner()->name : "")) {
        return core::fail(Fault::denied, "job.json names another principal than it belongs to",
                          {.where = kept_.directory().path.string()});
    }
    if (begun_reading_) {
        return {};
    }
    const auto number =
        TRY(core::read_plain_file_if_any(kept_.files().native(), k_number_bytes_max));
    id_ = number ? std::string(core::trim(*number)) : "";
    cancelled_ = kept_.is_cancelled();
    begun_reading_ = true;
    return {};
}

std::optional<Sight> SlurmJob::ask_to_submit() {
    if (!context_.site) {  // a request beyond what its partition allows would wait for ever
        return Sight{.event = Event::waiting,
                     .reason = !context_.trouble.empty() ? context_.trouble
                               : !context_.site_trouble.empty()
                                   ? context_.site_trouble
                                   : "Slurm's partitions are not known yet"};
    }
    const auto* partition = context_.partition_of(kept_.spec());
    const auto submission = submission_of(kept_, principal(), context_.options,
                                          partition == nullptr ? std::nullopt : partition->longest);
    if (!submission) {
        return unreadable(core::to_string(submission.error()));
    }
    const auto answer = std::make_shared<Result<std::string>>();
    const auto posted = context_.submitters.post(
        [answer, what = *submission, &transport = context_.transport] {
            *answer = transport.submit(what);
        },
        [this, answer, life = std::weak_ptr<int>(life_)] {
            if (!life.expired()) {
                on_submitted(*answer);
            }
        });
    asking_ = posted.has_value();
    return posted ? std::optional<Sight>()
                  : Sight{.event = Event::waiting, .reason = posted.error().message};
}

// Without it the next controller finds the number in Slurm's list: no submission waits for a disk
// because of it. What lies there may be its owner's trap.
bool SlurmJob::keep_number() const {
    const auto acting = act();
    if (!acting) {
        return false;
    }
    const auto file = kept_.files().native();
    ::unlink(file.c_str());
    constexpr int k_flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const core::Fd made(::open(file.c_str(), k_flags, 0600));
    return made && core::write_all(made.get(), id_ + "\n").has_value();
}

void SlurmJob::on_submitted(const Result<std::string>& id) {
    asking_ = false;
    look_soon();
    doubtful_since_ = context_.clock.monotonic();
    if (id) {
        id_ = *id;
        trouble_.clear();
        if (!keep_number()) {
            context_.log.warn("a number of Slurm could not be kept",
                              {{"job", status().token.value}, {"id", id_}});
        }
        return;
    }
    const auto& error = id.error();
    trouble_ = core::to_string(error);
    // Whether it arrived is not known: the list has to be asked before it is tried again.
    next_try_ = doubtful_since_ + std::min(k_pause_max, k_first_pause * (1 << std::min(tries_, 6)));
    if (error.fault == Fault::invalid) {
        refusal_ = error;
    } else {
        ++tries_;
    }
}

// The wrapper looks for the wish itself; what has not begun is taken out of the queue.
Result<void> SlurmJob::stop() {
    cancelled_ = true;
    look_soon();
    const auto attempt = kept_.attempt();
    if (attempt && !*attempt) {
        ask_to_cancel();
    }
    return {};
}

void SlurmJob::ask_to_cancel() {
    if (id_.empty() || cancelling_) {
        return;
    }
    const auto posted =
        context_.worker.post([id = id_, who = owner() ? owner()->name : std::string(),
                              &transport = context_.transport] { (void)transport.cancel(id, who); },
                             [this, life = std::weak_ptr<int>(life_)] {
                                 if (!life.expired()) {
                                     cancelling_ = false;  // asked again while it is still listed
                                 }
                             });
    cancelling_ = posted.has_value();
}

Result<std::int64_t> SlurmJob::resubmit(const Orders& orders) {
    const auto epoch = TRY(begin_another(orders, context_.clock));
    forget_attempt();
    return epoch;
}

void SlurmJob::forget_attempt() {
    life_ = std::make_shared<int>(0);
    id_.clear();
    begun_reading_ = false;
    asking_ = cancelling_ = cancelled_ = false;
    look_soon();
    tries_ = 0;
    refusal_.reset();
    trouble_.clear();
    next_try_ = doubtful_since_ = {};
    ended_since_.reset();
    hopeless_since_.reset();
    beat_.clear();
    beat_since_ = {};
}

}  // namespace sust::cluster::slurm
