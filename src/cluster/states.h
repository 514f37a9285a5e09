#pragma once

// The life of a job as a table: state x event -> state. docs/protocol/job.md prints the same
// table, and a test holds the two together.

#include <optional>
#include <string>
#include <string_view>

#include "cluster/job.h"

namespace sust::cluster {

enum class Event {
    handed_over,       // the scheduler said that it has the job
    waiting,           // it waits for resources, priority, a held node, or another try
    being_started,     // it has its place; its wrapper is on the way
    attempt_written,   // attempt.json is there and its wrapper lives
    stop_begun,        // somebody asked it to end, or its time is up: the stop ladder runs
    over,              // it has ended, in one of the ways of `End`
    words_unreadable,  // carrier or scheduler do not answer, or say what cannot be believed
    resubmitted,       // the fence was raised for a further attempt
};

std::string_view to_string(Event event);

// Nothing where the event is impossible in that state.
std::optional<State> next_state(State state, Event event);

// The table as Markdown, one row per event.
std::string state_table_markdown();

}  // namespace sust::cluster
