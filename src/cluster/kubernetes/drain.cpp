#include "cluster/kubernetes/drain.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/text.h"

namespace sust::cluster::kubernetes {

using namespace std::chrono_literals;

namespace {

constexpr Duration k_settle = 1s;
constexpr Duration k_again = 1s;  // after a refusal, and longer each time
constexpr Duration k_again_max = 10s;

// Nothing: it is neither ending nor over.
std::optional<std::string> on_its_way(const Pod& pod, core::WallTime now) {
    if (end_of(pod, now)) {
        return "it has ended, and its words are being kept";
    }
    if (pod.deleted_by) {
        return fmt::format("it is ending, at the latest at {}", core::rfc3339(*pod.deleted_by));
    }
    return std::nullopt;
}

}  // namespace

Drain::Drain(Context& context, std::string node, Duration within, Scheduler::Then<Drained> then)
    : context_(context),
      node_(std::move(node)),
      settled_(context.clock.monotonic() + k_settle),
      deadline_(context.clock.monotonic() + within),
      then_(std::move(then)) {}

bool Drain::look() {
    look_at_guests();
    const auto now = context_.clock.monotonic();
    if (now >= deadline_ ||
        (now >= settled_ && context_.listed && context_.trouble.empty() && all_gone())) {
        then_(report());
        return true;
    }
    evict_what_is_due();
    return false;
}

bool Drain::all_gone() const {
    return std::all_of(guests_.begin(), guests_.end(),
                       [](const auto& one) { return one.second.gone; });
}

void Drain::look_at_guests() {
    const auto wall = context_.clock.wall();
    for (auto& [uid, guest] : guests_) {
        guest.gone = true;
    }
    for (const auto& [key, pods] : context_.pods) {
        for (const auto& [rank, pod] : pods) {
            if (pod.node != node_) {
                continue;
            }
            auto& guest = guests_[pod.uid];
            guest.token = pod.token;
            guest.pod = pod.name;
            guest.gone = false;
            if (auto going = on_its_way(pod, wall)) {
                guest.why = std::move(*going);
                guest.next = core::MonoTime::max();
            }
        }
    }
}

void Drain::evict_what_is_due() {
    const auto now = context_.clock.monotonic();
    std::vector<Wish> due;
    for (const auto& [uid, guest] : guests_) {
        if (!guest.gone && now >= guest.next) {
            due.push_back({.pod = guest.pod, .uid = uid});
        }
    }
    if (asking_ || due.empty() || !context_.trouble.empty()) {
        return;
    }
    using Answers = std::map<std::string, Eviction>;
    const auto answers = std::make_shared<Answers>();
    asking_ = context_.acts
                  .post([answers, due, &client = context_.acting,
                         space = context_.space] { *answers = evict(client, space, due); },
                        [this, answers, life = std::weak_ptr<int>(life_)] {
                            if (!life.expired()) {
                                on_answers(*answers);
                            }
                        })
                  .has_value();
}

void Drain::on_answers(const std::map<std::string, Eviction>& answers) {
    asking_ = false;
    const auto now = context_.clock.monotonic();
    for (const auto& [uid, answer] : answers) {
        auto& guest = guests_[uid];
        // One that was taken is asked for again too, should its deletion not be heard of.
        const auto pause = std::min(k_again_max, k_again * (1 << std::min(guest.tries, 6)));
        guest.next = now + (answer.taken ? k_again_max : std::max(answer.again, pause));
        guest.why = answer.taken ? "its eviction was taken" : answer.why;
        ++guest.tries;
    }
}

Drained Drain::report() const {
    Drained drained;
    for (const auto& [uid, guest] : guests_) {
        std::string why = guest.gone ? "" : guest.why;
        if (!guest.gone && !context_.trouble.empty()) {
            why = context_.trouble;
        } else if (!guest.gone && why.empty()) {
            why = "its eviction was not answered yet";
        }
        drained.parts.push_back(
            {.token = guest.token, .what = guest.pod, .gone = guest.gone, .why = std::move(why)});
    }
    return drained;
}

}  // namespace sust::cluster::kubernetes
