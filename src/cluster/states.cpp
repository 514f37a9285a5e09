#include "cluster/states.h"

#include <array>

namespace sust::cluster {
namespace {

constexpr std::size_t k_state_count = 8;
constexpr std::size_t k_event_count = 12;

using Cell = std::optional<State>;
using Row = std::array<Cell, k_state_count>;

constexpr Cell o = std::nullopt;
constexpr Cell pend = State::pending;
constexpr Cell run = State::running;
constexpr Cell good = State::succeeded;
constexpr Cell bad = State::failed;
constexpr Cell canc = State::cancelled;
constexpr Cell time = State::timed_out;
constexpr Cell lost = State::lost;
constexpr Cell unkn = State::unknown;

// Columns in the order of State; a final state is left by resubmitting only.
constexpr std::array<Row, k_event_count> k_table = {{
    // pending running succeeded failed cancelled timed_out lost unknown
    {pend, o, o, o, o, o, o, pend},           // nothing_begun
    {run, run, o, o, o, o, o, run},           // attempt_written
    {good, good, o, o, o, o, o, good},        // ended_well
    {bad, bad, o, o, o, o, o, bad},           // ended_badly
    {canc, canc, o, o, o, o, o, canc},        // ended_by_cancel
    {time, time, o, o, o, o, o, time},        // ended_by_time_limit
    {lost, lost, o, o, o, o, o, lost},        // wrapper_gone
    {lost, lost, o, o, o, o, o, lost},        // machine_restarted
    {canc, o, o, o, o, o, o, canc},           // cancelled_before_run
    {bad, o, o, o, o, o, o, bad},             // start_given_up
    {unkn, unkn, o, o, o, o, o, unkn},        // words_unreadable
    {o, o, pend, pend, pend, pend, pend, o},  // resubmitted
}};

constexpr std::array<std::string_view, k_event_count> k_events = {
    "nothing_begun",        "attempt_written",     "ended_well",       "ended_badly",
    "ended_by_cancel",      "ended_by_time_limit", "wrapper_gone",     "machine_restarted",
    "cancelled_before_run", "start_given_up",      "words_unreadable", "resubmitted"};

}  // namespace

std::string_view to_string(Event event) {
    return k_events[static_cast<std::size_t>(event)];
}

std::optional<State> next_state(State state, Event event) {
    return k_table[static_cast<std::size_t>(event)][static_cast<std::size_t>(state)];
}

std::string state_table_markdown() {
    std::string text = "| event |";
    std::string rule = "\n|---|";
    for (std::size_t state = 0; state < k_state_count; ++state) {
        text += " " + std::string(to_string(static_cast<State>(state))) + " |";
        rule += "---|";
    }
    text += rule + "\n";
    for (std::size_t event = 0; event < k_event_count; ++event) {
        text += "| " + std::string(k_events[event]) + " |";
        for (const auto& cell : k_table[event]) {
            text += " " + std::string(cell ? to_string(*cell) : "-") + " |";
        }
        text += "\n";
    }
    return text;
}

}  // namespace sust::cluster
