#include "control/reconciler.h"

#include <exception>

namespace sust::control {

namespace {

// A replica that died is noticed within this; a run's stage takes minutes.
constexpr auto k_quick = std::chrono::milliseconds(200);
constexpr auto k_slow = std::chrono::seconds(1);
constexpr auto k_rare = std::chrono::seconds(5);

// A library's exception ends one tick and not the program; the next tick looks again.
template <class Work>
void guarded(const core::Log& log, const Work& work) {
    try {
        work();
    } catch (const std::exception& error) {
        log.error("a tick threw", {{"error", error.what()}});
    }
}

}  // namespace

Reconciler::Reconciler(core::EventLoop& loop, const cluster::Backends& backends, tune::Runs& runs,
                       Jobs& jobs, fleet::Fleet& fleet, Api& api, core::Log log)
    : backends_(backends), runs_(runs), jobs_(jobs), fleet_(fleet), log_(std::move(log)) {
    for (const auto& [name, scheduler] : backends_.all()) {
        scheduler->watch([this](const cluster::JobStatus& status) {
            runs_.on_job(status);
            fleet_.on_job(status);
            jobs_.on_job(status);
        });
        if (scheduler->wake_fd() < 0) {
            continue;
        }
        auto woken =
            loop.on_readable(scheduler->wake_fd(), [this, one = scheduler] { wake(*one); });
        if (woken) {
            wakes_.push_back(std::move(*woken));
        } else {
            log_.warn("a back end is seen by the clock alone",
                      {{"backend", name}, {"error", core::to_string(woken.error())}});
        }
    }
    quick_ = loop.every(k_quick, [this] { guarded(log_, [this] { quick(); }); });
    slow_ = loop.every(k_slow, [this] {
        guarded(log_, [this] { runs_.tick(); });
        guarded(log_, [this] { jobs_.tick(); });
    });
    rare_ = loop.every(k_rare, [this, &api] { guarded(log_, [&api] { api.tick(); }); });
}

// An end is acted on when it happens; the timer is for what nobody is woken for.
void Reconciler::wake(cluster::Scheduler& scheduler) {
    guarded(log_, [&scheduler] { scheduler.poll(); });
}

void Reconciler::quick() {
    for (const auto& [name, scheduler] : backends_.all()) {
        scheduler->poll();
    }
    fleet_.tick();
}

}  // namespace sust::control
