#include "tune/stage_table.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace sust::tune {

namespace {

using P = Phase;
using E = Event;

constexpr Transition k_transitions[] = {
    {P::prepare, E::done, P::train},         {P::prepare, E::failed, P::failed},
    {P::prepare, E::cancel, P::cancelled},   {P::train, E::done, P::convert},
    {P::train, E::failed, P::failed},        {P::train, E::lost, P::lost},
    {P::train, E::cancel, P::stopping},      {P::train, E::stopped, P::cancelled},
    {P::convert, E::done, P::evaluate},      {P::convert, E::failed, P::failed},
    {P::convert, E::lost, P::lost},          {P::convert, E::cancel, P::stopping},
    {P::convert, E::stopped, P::cancelled},  {P::evaluate, E::done, P::register_},
    {P::evaluate, E::failed, P::failed},     {P::evaluate, E::lost, P::lost},
    {P::evaluate, E::cancel, P::stopping},   {P::evaluate, E::stopped, P::cancelled},
    {P::register_, E::done, P::publish},     {P::register_, E::refused, P::refused},
    {P::register_, E::failed, P::failed},    {P::register_, E::cancel, P::cancelled},
    {P::publish, E::done, P::succeeded},     {P::publish, E::failed, P::failed},
    {P::stopping, E::stopped, P::cancelled}, {P::failed, E::resume, std::nullopt},
    {P::lost, E::resume, std::nullopt},      {P::cancelled, E::resume, std::nullopt},
    {P::succeeded, E::remove, P::removing},  {P::refused, E::remove, P::removing},
    {P::failed, E::remove, P::removing},     {P::lost, E::remove, P::removing},
    {P::cancelled, E::remove, P::removing},
};

struct PhaseRow {
    Phase phase;
    std::string_view name;
    Action action;
};

constexpr std::array k_phases = {
    PhaseRow{P::prepare, "prepare", Action::prepare},
    PhaseRow{P::train, "train", Action::run_job},
    PhaseRow{P::convert, "convert", Action::run_job},
    PhaseRow{P::evaluate, "evaluate", Action::run_job},
    PhaseRow{P::register_, "register", Action::store_result},
    PhaseRow{P::publish, "publish", Action::set_name},
    PhaseRow{P::stopping, "stopping", Action::stop_job},
    PhaseRow{P::succeeded, "succeeded", Action::settle},
    PhaseRow{P::refused, "refused", Action::settle},
    PhaseRow{P::failed, "failed", Action::settle},
    PhaseRow{P::cancelled, "cancelled", Action::settle},
    PhaseRow{P::lost, "lost", Action::settle},
    PhaseRow{P::removing, "removing", Action::remove},
};

const PhaseRow& row(Phase phase) {
    return *std::find_if(k_phases.begin(), k_phases.end(),
                         [&](const PhaseRow& one) { return one.phase == phase; });
}

}  // namespace

std::string_view to_string(Phase phase) {
    return row(phase).name;
}

std::optional<Phase> parse_phase(std::string_view text) {
    for (const auto& one : k_phases) {
        if (one.name == text) {
            return one.phase;
        }
    }
    return {};
}

bool is_final(Phase phase) {
    return action_of(phase) == Action::settle;
}

std::string_view to_string(Event event) {
    switch (event) {
        case Event::done:
            return "done";
        case Event::failed:
            return "failed";
        case Event::lost:
            return "lost";
        case Event::refused:
            return "refused";
        case Event::cancel:
            return "cancel";
        case Event::stopped:
            return "stopped";
        case Event::resume:
            return "resume";
        case Event::remove:
            return "remove";
    }
    return "unknown";
}

std::string_view to_string(Action action) {
    switch (action) {
        case Action::prepare:
            return "fill the work directory";
        case Action::run_job:
            return "submit the stage's job";
        case Action::store_result:
            return "store artifact and statements, judge";
        case Action::set_name:
            return "set the name";
        case Action::stop_job:
            return "stop the job";
        case Action::settle:
            return "drop what is not needed any more";
        case Action::remove:
            return "forget jobs, root and folder, then the run";
    }
    return "unknown";
}

std::span<const Transition> transitions() {
    return k_transitions;
}

const Transition* find_transition(Phase from, Event event) {
    for (const auto& one : k_transitions) {
        if (one.from == from && one.event == event) {
            return &one;
        }
    }
    return nullptr;
}

Action action_of(Phase phase) {
    return row(phase).action;
}

std::string stage_table_markdown() {
    std::string text = "| phase | event | next phase | action there |\n|---|---|---|---|\n";
    for (const auto& one : k_transitions) {
        const std::string next(one.to ? to_string(*one.to) : "the stage it ended in");
        const std::string action(one.to ? to_string(action_of(*one.to))
                                        : "epoch + 1, then the stage's own");
        text += fmt::format("| {} | {} | {} | {} |\n", to_string(one.from), to_string(one.event),
                            next, action);
    }
    return text;
}

}  // namespace sust::tune
