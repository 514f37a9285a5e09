// The part of KubernetesJob that is about the object whose controller makes the pods.

#include "cluster/kubernetes/job.h"

namespace sust::cluster::kubernetes {

using namespace std::chrono_literals;

namespace {

constexpr Duration k_failed_slack = 10s;  // the watch may still tell of pods that say more

}  // namespace

// No pod of it, but maybe the object that a controller makes them of. Nothing: it is to be made.
std::optional<Sight> KubernetesJob::see_object() {
    context_.objects_wanted = true;
    const auto now = context_.clock.monotonic();
    const auto found = context_.objects.find({status().token, status().epoch});
    if (found == context_.objects.end()) {
        if (!ordered_) {
            return std::nullopt;
        }
        const bool known = context_.objects_listed && *context_.objects_listed > ordered_at_;
        return known ? conclude(End::vanished, "its " + choice_.name() + " is gone without a pod")
                     : Sight{.event = Event::waiting, .reason = trouble_};
    }
    const auto& object = found->second;
    if (object.failed.empty()) {
        troubled_since_.reset();
        return Sight{.event = Event::waiting,
                     .reason = object.waits.empty() ? object.name + " has no pods yet"
                                                    : object.name + ": " + object.waits};
    }
    // The watch may still be about to tell of pods that say more.
    troubled_since_ = troubled_since_.value_or(now);
    return now - *troubled_since_ > k_failed_slack
               ? conclude(End::start_failed, object.name + ": " + object.failed)
               : Sight{.event = Event::waiting, .reason = object.failed};
}

// No pod of it was seen. What its controller may still make would run after its end was told.
std::optional<Sight> KubernetesJob::see_cancelled() {
    const AttemptKey key(status().token, status().epoch);
    if (choice_.is_shaped()) {
        const auto now = context_.clock.monotonic();
        context_.objects_wanted = true;
        if (!removed_at_ || context_.objects.contains(key)) {
            removed_at_ = now;
            clean();
        }
        if (context_.cleaning.contains(key)) {
            removed_at_ = now;  // only a list that is asked for after that tells
        }
        if (!context_.objects_listed || *context_.objects_listed <= *removed_at_) {
            return Sight{.event = Event::waiting,
                         .reason = "cancelled; its " + choice_.name() + " is being removed"};
        }
    }
    return conclude(End::cancelled, "cancelled before the command was started");
}

void KubernetesJob::clean() {
    context_.clean(status().token, status().epoch, 0s, choice_.name());
}

}  // namespace sust::cluster::kubernetes
