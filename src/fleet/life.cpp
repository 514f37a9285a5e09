#include "fleet/life.h"

#include <array>

namespace sust::fleet {

namespace {

using S = ReplicaState;
using E = ReplicaEvent;
using A = ReplicaAction;

// One row per meaningful pair. A replica that has answered is drained before it is stopped, since
// requests may be in flight; one that has not is stopped at once.
constexpr std::array k_table{
    Transition{S::starting, E::answers, S::ready, A::none},
    Transition{S::starting, E::overdue, S::restarting, A::stop},
    Transition{S::starting, E::ended, S::backoff, A::wait},
    Transition{S::starting, E::retire, S::stopping, A::stop},

    Transition{S::ready, E::silent, S::unhealthy, A::none},
    Transition{S::ready, E::ended, S::backoff, A::wait},
    Transition{S::ready, E::retire, S::draining, A::none},

    Transition{S::unhealthy, E::answers, S::ready, A::none},
    Transition{S::unhealthy, E::overdue, S::restarting, A::stop},
    Transition{S::unhealthy, E::ended, S::backoff, A::wait},
    Transition{S::unhealthy, E::retire, S::draining, A::none},

    Transition{S::draining, E::drained, S::stopping, A::stop},
    Transition{S::draining, E::overdue, S::stopping, A::stop},
    Transition{S::draining, E::ended, S::gone, A::forget},

    Transition{S::stopping, E::overdue, S::stopping, A::stop},
    Transition{S::stopping, E::ended, S::gone, A::forget},

    Transition{S::restarting, E::overdue, S::restarting, A::stop},
    Transition{S::restarting, E::ended, S::backoff, A::wait},
    Transition{S::restarting, E::retire, S::stopping, A::stop},

    Transition{S::backoff, E::overdue, S::starting, A::start},
    Transition{S::backoff, E::retire, S::gone, A::forget},

    Transition{S::gone, E::overdue, S::gone, A::forget},
};

constexpr std::array k_states{S::starting, S::ready,      S::unhealthy, S::draining,
                              S::stopping, S::restarting, S::backoff,   S::gone};

}  // namespace

std::span<const Transition> transitions() {
    return k_table;
}

const Transition* find_transition(ReplicaState state, ReplicaEvent event) {
    for (const auto& row : k_table) {
        if (row.state == state && row.event == event) {
            return &row;
        }
    }
    return nullptr;
}

std::string life_table() {
    std::string out = "| state | event | next state | action |\n|---|---|---|---|\n";
    for (const auto& row : k_table) {
        out += "| " + std::string(to_string(row.state)) + " | " +
               std::string(to_string(row.event)) + " | " + std::string(to_string(row.next)) +
               " | " + std::string(to_string(row.action)) + " |\n";
    }
    return out;
}

std::string_view to_string(ReplicaState state) {
    switch (state) {
        case S::starting:
            return "starting";
        case S::ready:
            return "ready";
        case S::unhealthy:
            return "unhealthy";
        case S::draining:
            return "draining";
        case S::stopping:
            return "stopping";
        case S::restarting:
            return "restarting";
        case S::backoff:
            return "backoff";
        case S::gone:
            return "gone";
    }
    return "unknown";
}

std::string_view to_string(ReplicaEvent event) {
    switch (event) {
        case E::answers:
            return "answers";
        case E::silent:
            return "silent";
        case E::overdue:
            return "overdue";
        case E::ended:
            return "ended";
        case E::retire:
            return "retire";
        case E::drained:
            return "drained";
    }
    return "unknown";
}

std::string_view to_string(ReplicaAction action) {
    switch (action) {
        case A::none:
            return "none";
        case A::start:
            return "start";
        case A::stop:
            return "stop";
        case A::wait:
            return "wait";
        case A::forget:
            return "forget";
    }
    return "unknown";
}

core::Result<ReplicaState> parse_replica_state(std::string_view text) {
    for (const auto state : k_states) {
        if (to_string(state) == text) {
            return state;
        }
    }
    return core::fail(core::Fault::internal, "unknown replica state '" + std::string(text) + "'");
}

}  // namespace sust::fleet
