#include "cluster/states.h"

#include <array>

namespace sust::cluster {
namespace {

constexpr std::size_t k_state_count = 8;
constexpr std::size_t k_event_count = 8;

using Cell = std::optional<State>;
using Row = std::array<Cell, k_state_count>;

constexpr Cell o = std::nullopt;
constexpr Cell plan = State::planned;
constexpr Cell subm = State::submitted;
constexpr Cell queu = State::queued;
constexpr Cell star = State::starting;
constexpr Cell run = State::running;
constexpr Cell stop = State::stopping;
constexpr Cell end = State::ended;
constexpr Cell unkn = State::unknown;

// Columns in the order of State. What is seen may skip states, because nobody looks at every
// moment; a scheduler may send a starting job back to its queue; a job that is being stopped goes
// on stopping; the end is left by resubmitting only.
constexpr std::array<Row, k_event_count> k_table = {{
    // planned submitted queued starting running stopping ended unknown
    {subm, subm, o, o, o, o, o, subm},              // handed_over
    {queu, queu, queu, queu, o, stop, o, queu},     // waiting
    {star, star, star, star, o, stop, o, star},     // being_started
    {run, run, run, run, run, stop, o, run},        // attempt_written
    {stop, stop, stop, stop, stop, stop, o, stop},  // stop_begun
    {end, end, end, end, end, end, o, end},         // over
    {unkn, unkn, unkn, unkn, unkn, unkn, o, unkn},  // words_unreadable
    {o, o, o, o, o, o, plan, o},                    // resubmitted
}};

constexpr std::array<std::string_view, k_event_count> k_events = {
    "handed_over", "waiting", "being_started",    "attempt_written",
    "stop_begun",  "over",    "words_unreadable", "resubmitted"};

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
