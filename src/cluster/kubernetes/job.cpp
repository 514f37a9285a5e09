#include "cluster/kubernetes/job.h"

#include <algorithm>

#include <fmt/format.h>

#include "cluster/kubernetes/pod_log.h"
#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr Duration k_look_again = 1s;
constexpr Duration k_first_pause = 1s;
constexpr Duration k_pause_max = 60s;
constexpr Duration k_wish_again = 5s;
constexpr Duration k_log_period = 10s;  // of what nobody reads, and more with many jobs
constexpr Duration k_log_per_running = 100ms;
constexpr Duration k_log_followed = 1s;
constexpr Duration k_stop_slack = 30s;  // after which a pod that was told to end is deleted

Sight unreadable(const std::string& reason) {
    return {.event = Event::words_unreadable, .reason = reason};
}

bool is_running(const Pod& pod) {
    return pod.main.state == Container::State::running;
}
bool has_begun(const Pod& pod) {
    return pod.main.state == Container::State::running ||
           pod.main.state == Container::State::terminated;
}

}  // namespace

// `ask` on a thread of the back end, `then` with its answer if this attempt is still the one.
template <class Answer, class Ask, class Then>
bool KubernetesJob::post(Worker& worker, Ask ask, Then then) {
    const auto answer = std::make_shared<std::optional<Answer>>();
    return worker
        .post([answer, ask = std::move(ask)] { answer->emplace(ask()); },
              [this, answer, then = std::move(then), life = std::weak_ptr<int>(life_)] {
                  if (!life.expired()) {
                      hear();
                      then(std::move(**answer));
                  }
              })
        .has_value();
}

// Of thousands of jobs a few have news at a time; the others only have clocks that run.
bool KubernetesJob::look() {
    const auto now = context_.clock.monotonic();
    if (now < next_look_) {
        return false;
    }
    next_look_ = now + k_look_again;
    const auto sight = see();
    return sight && kept_.apply(*sight, context_.clock, context_.log);
}

// --- What is seen ----------------------------------------------------------------------------

Result<void> KubernetesJob::begin() {
    TRY(kept_.load());
    if (begun_) {
        return {};
    }
    TRY(choice_.load(kept_.files().path, context_));
    made_ = core::path_exists(kept_.files().native());
    cancelled_ = kept_.is_cancelled();
    last_words_ = kept_.final_words();
    begun_ = true;
    return {};
}

std::optional<Sight> KubernetesJob::see() {
    if (const auto begun = begin(); !begun) {
        return unreadable(core::to_string(begun.error()));
    }
    if (last_words_) {
        return last_words_;
    }
    const auto now = context_.clock.monotonic();
    if (!context_.trouble.empty() && now - context_.trouble_since > context_.options.patience) {
        return unreadable(context_.trouble);
    }
    if (ending_) {
        return std::nullopt;
    }
    const auto found = context_.pods.find({status().token, status().epoch});
    return found == context_.pods.end() ? see_absent() : see_pods(found->second);
}

// No pod of it: it was not made yet, or is gone for good.
std::optional<Sight> KubernetesJob::see_absent() {
    const auto now = context_.clock.monotonic();
    if (asking_ || !context_.listed || *context_.listed <= doubtful_since_) {
        return trouble_.empty() ? std::optional<Sight>()
                                : Sight{.event = Event::waiting, .reason = trouble_};
    }
    if (made_) {
        return cancelled_ ? conclude(End::cancelled, "cancelled, and its pod is gone")
                          : conclude(End::vanished, "its pod is gone without a word");
    }
    if (cancelled_) {
        return see_cancelled();
    }
    if (refusal_) {
        return conclude(End::start_failed, core::to_string(*refusal_));
    }
    if (choice_.is_shaped()) {
        if (auto waits = see_object()) {
            return waits;
        }
    }
    if (now < next_try_) {
        return Sight{.event = Event::waiting, .reason = trouble_};
    }
    // The sweep removes them; two attempts at once are kept apart as far as the API server knows.
    if (context_.has_older(status().token, status().epoch)) {
        return Sight{.event = Event::waiting,
                     .reason = "a pod of an earlier attempt is still there"};
    }
    return ask_to_make();
}

std::optional<Sight> KubernetesJob::see_pods(const Pods& pods) {
    const auto nodes = static_cast<std::size_t>(kept_.spec().shape.nodes);
    if (pods.size() >= nodes) {
        keep_mark();
    }
    choice_.learn(pods.begin()->second.shape, context_);
    doubtful_since_ = {};  // they were seen: from here on the watch tells when they are gone
    nodes_.clear();
    for (const auto& [rank, pod] : pods) {
        if (!pod.node.empty()) {
            nodes_.push_back(pod.node);
        }
    }
    if (auto over = see_over(pods)) {
        return over;
    }
    if (ending_) {
        return std::nullopt;
    }
    if (cancelled_ || stopping_since_) {
        return see_stopping(pods);
    }
    if (pods.size() < nodes && !made_ && !choice_.is_shaped()) {
        if (refusal_) {
            clean();
            return conclude(End::start_failed, core::to_string(*refusal_));
        }
        if (!asking_ && context_.clock.monotonic() >= next_try_) {
            return ask_to_make();
        }
        return Sight{.event = Event::waiting, .reason = trouble_};
    }
    return see_start(pods);
}

// All pods have ended, or one that failed ends the others.
std::optional<Sight> KubernetesJob::see_over(const Pods& pods) {
    const auto over = over_of(pods, context_.clock.wall());
    if (over.count == pods.size() && (over.first_bad || made_)) {
        const auto& end = over.first_bad ? *over.first_bad : *over.last;
        ask_for_end(pods, over.first_bad ? over.bad_rank : 0, end);
    } else if (over.first_bad && !stopping_since_) {
        stopping_since_ = context_.clock.monotonic();
        next_wish_ = {};
    }
    return std::nullopt;
}

// Until every pod runs.
std::optional<Sight> KubernetesJob::see_start(const Pods& pods) {
    const auto now = context_.clock.monotonic();
    const auto nodes = static_cast<std::size_t>(kept_.spec().shape.nodes);
    const bool all_run =
        pods.size() >= nodes && std::all_of(pods.begin(), pods.end(),
                                            [](const auto& one) { return has_begun(one.second); });
    if (all_run) {
        troubled_since_.reset();
        return see_running(pods);
    }
    std::string reason;
    bool placed = false;
    for (const auto& [rank, pod] : pods) {
        placed = placed || !pod.node.empty();
        if (const auto trouble = start_trouble(pod)) {
            troubled_since_ = troubled_since_.value_or(now);
            if (now - *troubled_since_ > context_.options.start_patience) {
                clean();
                return conclude(End::start_failed, *trouble);
            }
            reason = *trouble;
        } else if (reason.empty()) {
            reason = core::printable(
                pod.node.empty() ? pod.unschedulable : pod.agent.reason + pod.main.reason, 300);
        }
    }
    // Pods that wait for others hold what those may wait for.
    waiting_since_ = placed && nodes > 1 ? std::optional(waiting_since_.value_or(now))
                                         : std::optional<core::MonoTime>();
    if (waiting_since_ && now - *waiting_since_ > context_.options.start_patience) {
        clean();
        return conclude(End::start_failed, "not all of its pods found a place: " + reason);
    }
    return Sight{.event = placed ? Event::being_started : Event::waiting, .reason = reason};
}

Sight KubernetesJob::see_running(const Pods& pods) {
    core::WallTime started = core::WallTime::max();
    for (const auto& [rank, pod] : pods) {
        started = std::min(started, pod.main.started);
    }
    const auto& head = pods.begin()->second.address;
    if (pods.size() > 1 && !head.empty() && context_.clock.monotonic() >= next_wish_ && !asking_) {
        wish(pods, false, head);
    }
    ask_for_log(std::max(k_log_period, k_log_per_running * static_cast<int>(context_.running)));
    return {.event = Event::attempt_written, .started = started, .nodes = nodes_};
}

// Its wrappers are told to end; what has not begun is removed, and what does not hear too.
std::optional<Sight> KubernetesJob::see_stopping(const Pods& pods) {
    const auto now = context_.clock.monotonic();
    stopping_since_ = stopping_since_.value_or(now);
    const bool deaf = now - *stopping_since_ > kept_.spec().stop_grace + k_stop_slack;
    if (now >= next_wish_ && !asking_) {
        next_wish_ = now + k_wish_again;
        wish(pods, true, "");
        const auto removed = deaf ? wishes_of(pods, [](const Pod& pod) { return !pod.deleted_by; })
                                  : wishes_of(pods, [](const Pod& pod) {
                                        return !has_begun(pod) && !pod.deleted_by;
                                    });
        if (!removed.empty()) {
            (void)post<Result<void>>(
                context_.acts,
                [&client = context_.acting, space = context_.space, removed] {
                    return remove_pods(client, space, removed);
                },
                [](const Result<void>&) {});
        }
    }
    const bool runs = std::any_of(pods.begin(), pods.end(),
                                  [](const auto& one) { return is_running(one.second); });
    return Sight{.event = Event::stop_begun,
                 .reason = cancelled_ ? "being cancelled" : "one of its pods has failed",
                 .started = runs ? status().started : core::WallTime{}};
}

// --- What is done ----------------------------------------------------------------------------

Sight KubernetesJob::conclude(End end, std::string reason) {
    last_words_ = kept_.conclude(end, std::move(reason), context_.clock, context_.log);
    last_words_->nodes = nodes_;
    if (choice_.is_shaped()) {
        clean();  // without pods nobody else would think of the object
    }
    return *last_words_;
}

std::optional<Sight> KubernetesJob::ask_to_make() {
    auto order = order_of(kept_, context_.controller);
    if (!order) {
        return unreadable(core::to_string(order.error()));
    }
    const auto shape = choice_.decide(kept_.spec(), kept_.files().path, context_);
    if (!shape) {
        return shape.error().fault == Fault::invalid
                   ? conclude(End::start_failed, core::to_string(shape.error()))
                   : Sight{.event = Event::waiting, .reason = core::to_string(shape.error())};
    }
    asking_ = post<Result<void>>(
        context_.acts,
        [&client = context_.acting, space = context_.space, order = std::move(*order),
         &options = context_.options, shape = *shape, used = context_.used_shapes()] {
            return make_shaped(client, space, order, shape, options, used);
        },
        [this](const Result<void>& made) { on_made(made); });
    return asking_ ? std::optional<Sight>()
                   : Sight{.event = Event::waiting, .reason = "too much waits for Kubernetes"};
}

void KubernetesJob::on_made(const Result<void>& made) {
    asking_ = false;
    const auto now = context_.clock.monotonic();
    if (made) {
        trouble_.clear();
        if (choice_.is_shaped()) {
            ordered_ = true;  // its pods come later, and the mark is for those
            ordered_at_ = now;
        } else {
            // The watch shows them, or a list that was asked for after this.
            if (!context_.pods.contains({status().token, status().epoch})) {
                doubtful_since_ = now;
            }
            keep_mark();
        }
        if (status().state == State::planned) {
            kept_.apply({.event = Event::handed_over}, context_.clock, context_.log);
        }
        return;
    }
    trouble_ = core::to_string(made.error());
    next_try_ = now + std::min<Duration>(k_pause_max, k_first_pause * (1 << std::min(tries_, 6)));
    ++tries_;
    if (made.error().fault == Fault::invalid || made.error().fault == Fault::conflict) {
        refusal_ = made.error();
    }
}

// From here on a pod that is gone was there: it is never made again, so the attempt runs once.
void KubernetesJob::keep_mark() {
    if (!made_ && core::write_file(kept_.files().native(),
                                   secret_name(status().token, status().epoch) + "\n", 0600)) {
        made_ = true;
    }
}

void KubernetesJob::wish(const Pods& pods, bool cancel, const std::string& head) {
    next_wish_ = context_.clock.monotonic() + k_wish_again;
    const auto wishes = wishes_of(pods, is_running);
    if (wishes.empty()) {
        return;
    }
    const bool told = !cancel;
    asking_ = post<Result<void>>(
        context_.acts,
        [&client = context_.acting, space = context_.space, wishes, cancel, head] {
            return tell(client, space, wishes, cancel, head);
        },
        [this, told](const Result<void>& done) {
            asking_ = false;
            if (done && told) {
                next_wish_ = core::MonoTime::max();  // all have heard that they may begin
            }
        });
}

Result<void> KubernetesJob::stop() {
    cancelled_ = true;
    next_wish_ = {};
    hear();
    return {};
}

// The last lines and why it was deleted, before the job has ended and its pods are let go.
void KubernetesJob::ask_for_end(const Pods& pods, int rank, PodEnd end) {
    std::vector<LogSource> sources;
    for (const auto& [number, pod] : pods) {
        const bool silent = end_of(pod, context_.clock.wall())->end == End::node_lost;
        if (!silent && (number == 0 || number == rank)) {
            sources.push_back({pods_path(context_.space) + "/" + pod.name + "/log",
                               number == 0 ? kept_.files().out() : kept_.files().err(),
                               pod.restarts});
        }
    }
    ending_ = post<std::optional<Deletion>>(
        context_.asks,
        [&client = context_.asking, &log = context_.log, space = context_.space, sources,
         &options = context_.options, deciding = pods.at(rank),
         was_deleted = end.was_deleted]() -> std::optional<Deletion> {
            bring_last_lines(client, sources, options.book.log_bytes, log);
            return was_deleted ? why_deleted(client, space, deciding, options) : std::nullopt;
        },
        [this, end](const std::optional<Deletion>& deletion) { on_end(end, deletion); });
}

void KubernetesJob::on_end(PodEnd end, const std::optional<Deletion>& deletion) {
    ending_ = false;
    const bool stopped = !end.word || end.word->reason == ExitReason::stopped;
    if (cancelled_ && stopped && end.end != End::out_of_memory) {
        end.end = End::cancelled;
        end.reason = "cancelled";
    } else if (end.was_deleted && deletion) {
        end.end = deletion->end;
        end.reason = deletion->why;
    } else if (end.was_deleted && end.end == End::cancelled) {
        end.end = context_.options.deleted;
    }
    if (end.word && !(cancelled_ && stopped)) {
        const auto written = core::write_file(kept_.files().exit(), exit_text(*end.word), 0600);
        last_words_ = written ? kept_.final_words() : std::nullopt;
        if (!last_words_) {
            context_.log.warn("the end of a job could not be kept; it is asked for again",
                              {{"job", status().token.value}});
            return;
        }
        last_words_->nodes = nodes_;
    } else {
        (void)conclude(end.end, end.reason);
    }
    clean();
}

// --- Logs ------------------------------------------------------------------------------------

void KubernetesJob::refresh_log() {
    ask_for_log(k_log_followed);
}

void KubernetesJob::ask_for_log(Duration least) {
    const auto now = context_.clock.monotonic();
    const auto found = context_.pods.find({status().token, status().epoch});
    if (log_asked_ || ending_ || last_words_ || now < next_log_ || found == context_.pods.end() ||
        !found->second.contains(0) || !has_begun(found->second.at(0))) {
        next_log_ = std::min(next_log_, now + least);
        return;
    }
    log_asked_ = post<Result<void>>(
        context_.asks,
        [&client = context_.asking, &log = context_.log, file = kept_.files().out(),
         path = pods_path(context_.space) + "/" + found->second.at(0).name + "/log",
         max = context_.options.book.log_bytes] { return bring_log(client, path, file, max, log); },
        [this, now, least](const Result<void>&) {
            log_asked_ = false;
            // A log that takes long to bring may not keep the API server busy.
            constexpr int k_rest = 20;
            const auto after = context_.clock.monotonic();
            const auto took = std::chrono::duration_cast<Duration>(after - now);
            next_log_ = after + std::max(least, took * k_rest);
        });
}

// --- Further attempts ------------------------------------------------------------------------

Result<std::int64_t> KubernetesJob::resubmit(const Orders& orders) {
    const auto epoch = TRY(begin_another(orders, context_.clock));
    forget_attempt();
    return epoch;
}

void KubernetesJob::forget_attempt() {
    life_ = std::make_shared<int>(0);
    choice_.forget();
    begun_ = made_ = ordered_ = cancelled_ = asking_ = ending_ = log_asked_ = false;
    last_words_.reset();
    nodes_.clear();
    refusal_.reset();
    trouble_.clear();
    tries_ = 0;
    next_look_ = next_try_ = next_wish_ = next_log_ = doubtful_since_ = {};
    waiting_since_.reset();
    troubled_since_.reset();
    stopping_since_.reset();
    removed_at_.reset();
}

}  // namespace sust::cluster::kubernetes
