#pragma once

// The life of a replica: state x event -> state + action. The table is the only place that says
// so; docs/formats/service.md shows it, and a test compares the two.

#include <span>
#include <string>
#include <string_view>

#include "core/result.h"

namespace sust::fleet {

enum class ReplicaState {
    starting,    // its job runs; it has not answered yet
    ready,       // answers; requests are routed to it
    unhealthy,   // its job runs; it does not answer
    draining,    // gets no new request; those in flight go on
    stopping,    // its job was asked to end for good
    restarting,  // its job was asked to end, to be started again
    backoff,     // its job ended; it waits to be started again
    gone,        // its job ended for good
};

enum class ReplicaEvent {
    answers,  // a probe was good
    silent,   // probes failed several times in a row
    overdue,  // the time of the state is over
    ended,    // its job is final, or absent
    retire,   // it is no longer wanted
    drained,  // every gateway knows, and no slot works
};

enum class ReplicaAction {
    none,
    start,   // submit its job, or a further attempt of it
    stop,    // ask its job to end; again if it was asked before
    wait,    // choose when to start it again
    forget,  // remove its job, its socket and its row
};

struct Transition {
    ReplicaState state;
    ReplicaEvent event;
    ReplicaState next;
    ReplicaAction action;
};

std::span<const Transition> transitions();
// Null: the event means nothing in that state.
const Transition* find_transition(ReplicaState state, ReplicaEvent event);
// The table as Markdown.
std::string life_table();

std::string_view to_string(ReplicaState state);
std::string_view to_string(ReplicaEvent event);
std::string_view to_string(ReplicaAction action);
core::Result<ReplicaState> parse_replica_state(std::string_view text);

}  // namespace sust::fleet
