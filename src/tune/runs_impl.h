#pragma once

// Inside of runs.h: the machine that moves runs along the stage table (runs.cpp) and what it does
// in each phase (run_actions.cpp).

#include <map>
#include <set>

#include "tune/run_table.h"
#include "tune/runs.h"

namespace sust::tune {

struct Runs::Impl {
    RunsNeeds needs;
    RunTable table;
    std::function<void(const RunEvent&)> listener{};
    std::set<std::string> at_work{};  // runs with blocking work under way
    std::set<std::string> asked_to_stop{};
    std::map<std::string, Progress> seen{};  // what was told last

    // --- the machine
    // Moves the run by the table, keeps it, tells followers, and enters the new phase. An event
    // that means nothing in the phase (it came late) changes nothing.
    core::Result<void> step(Run& run, Event event, std::optional<core::Error> error = {});
    // Does, or goes on with, what the phase calls for. Safe to call at any time.
    core::Result<void> advance(Run& run);
    core::Result<Run> require(std::string_view id);
    // unavailable while a job of the run is at work or the pool works for it.
    core::Result<void> require_idle(const Run& run);
    core::Result<Run> admit(core::Result<Run> made);

    // --- actions
    core::Result<void> prepare(Run& run);
    core::Result<void> follow_job(Run& run);
    core::Result<void> begin_attempt(Run& run, const std::optional<cluster::JobStatus>& job);
    core::Result<void> end_job(Run& run, const cluster::JobStatus& job);
    core::Result<void> store_result(Run& run);
    core::Result<void> set_name(Run& run);
    core::Result<void> stop_job(Run& run);
    core::Result<void> settle(const Run& run);
    core::Result<void> erase(const Run& run);

    // `work` on the pool; `done` on the loop with the run as it is then, unless the run has left
    // the phase or the attempt meanwhile.
    core::Result<void> off_loop(const Run& run, std::function<core::Result<void>()> work,
                                std::function<core::Result<void>(Run&, core::Result<void>)> done);
    core::Result<cluster::Scheduler*> scheduler_of(const Run& run) const;
    std::string last_words(const Run& run) const;
    int threads(cluster::Scheduler& scheduler) const;
    // invalid: no alternative can take the run's jobs, with each one's reason.
    core::Result<cluster::Placement> choose(const Run& run,
                                            const std::vector<cluster::Placement>& said) const;

    // --- followers
    void tell(const Run& run, std::string event);
    void tell_progress(const Run& run);
};

}  // namespace sust::tune
