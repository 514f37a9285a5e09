#pragma once

// The life of a run as a table: phase x event -> phase + action. docs/formats/recipe.md shows it,
// drawn from here.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sust::tune {

// The first six are stages at work (register has two steps); stopping waits for a job to end,
// removing takes away what a run has; the others are final.
enum class Phase {
    prepare,
    train,
    convert,
    evaluate,
    register_,
    publish,
    stopping,
    succeeded,
    refused,
    failed,
    cancelled,
    lost,
    removing,
};
std::string_view to_string(Phase phase);
std::optional<Phase> parse_phase(std::string_view text);
bool is_final(Phase phase);

enum class Event {
    done,     // the phase's work succeeded, or the recipe lacks the stage
    failed,   // it failed
    lost,     // the back end cannot say what became of the job
    refused,  // the promotion rule said no
    cancel,   // a user asks to stop
    stopped,  // the job was told to end, by the run or with all of Sust, and has
    resume,   // a user asks to go on
    remove,   // a user needs nothing of the run any more
};
std::string_view to_string(Event event);

// What a phase does on entry; every one may be done again after a restart with the same outcome.
enum class Action { prepare, run_job, store_result, set_name, stop_job, settle, remove };
std::string_view to_string(Action action);

struct Transition {
    Phase from;
    Event event;
    // Nothing: back into the stage in which the run ended.
    std::optional<Phase> to;
};

std::span<const Transition> transitions();
// Nothing if the event means nothing in this phase.
const Transition* find_transition(Phase from, Event event);
Action action_of(Phase phase);

// The table in Markdown, as the documentation shows it.
std::string stage_table_markdown();

}  // namespace sust::tune
