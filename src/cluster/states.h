#pragma once

// The life of a job as a table: state x event -> state. docs/protocol/job.md prints the same
// table, and a test holds the two together.

#include <optional>
#include <string>
#include <string_view>

#include "cluster/job.h"

namespace sust::cluster {

enum class Event {
    nothing_begun,         // the words can be read, and say that no command was started
    attempt_written,       // attempt.json is there and its wrapper lives
    ended_well,            // exit.json: status 0
    ended_badly,           // exit.json: another status, a signal, or a command that cannot start
    ended_by_cancel,       // exit.json: the stop ladder ran because of cancel.json
    ended_by_time_limit,   // exit.json: the stop ladder ran because time was up
    wrapper_gone,          // no exit.json, no wrapper; what was left of the job has been ended
    machine_restarted,     // no exit.json, and attempt.json carries another boot id
    cancelled_before_run,  // cancel.json, and no wrapper that could still begin
    start_given_up,        // the wrapper could not begin, and its last try is used up
    words_unreadable,      // the carrier does not answer, or says what cannot be believed
    resubmitted,           // the fence was raised for a further attempt
};

std::string_view to_string(Event event);

// Nothing where the event is impossible in that state.
std::optional<State> next_state(State state, Event event);

// The table as Markdown, one row per event.
std::string state_table_markdown();

}  // namespace sust::cluster
