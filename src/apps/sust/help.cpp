#include "apps/sust/help.h"

#include <fmt/format.h>

#include "apps/sust/table.h"

namespace sust::cli {
namespace {

constexpr std::size_t k_width = 100;
constexpr std::size_t k_left = 20;  // of the column that the explanations stand right of

constexpr std::string_view k_intro =
    "sust: the life of a foundation model on one machine or a supercomputer\n\n";
constexpr std::string_view k_usage =
    "usage: sust [--root DIR] [--json] NOUN VERB [NAME] [OPTIONS]\n";
constexpr std::string_view k_first_steps =
    "\nexamples:\n"
    "  sust up\n"
    "  sust model import models/tiny --name tiny\n"
    "  sust tune start sft-lora --base tiny --data tickets --name triage --follow\n"
    "  sust chat triage\n";

std::string explained(std::string_view left, std::string_view right) {
    return table_text({{fmt::format("  {:<{}}", left, k_left), std::string(right)}}, k_width);
}

std::vector<std::string> usage_words(const Verb& verb) {
    std::vector<std::string> words;
    for (const auto& option : verb.options) {
        const auto name = option.value.empty() ? std::string(option.name)
                                               : fmt::format("{} {}", option.name, option.value);
        words.push_back((option.count == Count::one ? name : fmt::format("[{}]", name)) +
                        (option.count == Count::any ? "..." : ""));
    }
    for (const auto& positional : verb.positionals) {
        const bool rest = positional.count == Count::rest;
        const bool needed = positional.count == Count::one || rest;
        const auto name =
            needed ? std::string(positional.name) : fmt::format("[{}]", positional.name);
        words.push_back((rest ? "-- " : "") + name +
                        (rest || positional.count == Count::any ? "..." : ""));
    }
    return words;
}

std::string usage_of(const Verb& verb) {
    const std::string begin = "usage: sust " + std::string(verb.path);
    std::string text;
    std::string line = begin;
    for (const auto& word : usage_words(verb)) {
        if (line.size() + 1 + word.size() > k_width) {
            text += line + "\n";
            line = std::string(begin.size(), ' ');
        }
        line += " " + word;
    }
    return text + line + "\n";
}

std::string options_of(const Verb& verb) {
    std::string text;
    for (const auto& positional : verb.positionals) {
        text += explained(positional.name, positional.help);
    }
    for (const auto& option : verb.options) {
        text += explained(shown(option), std::string(option.help) +
                                             (option.count == Count::any ? " (repeatable)" : ""));
    }
    return text;
}

std::string always() {
    std::string text = "\nalways:\n";
    for (const auto& option : global_options()) {
        text += explained(shown(option), option.help);
    }
    return text;
}

std::string help_of_verb(const Verb& verb) {
    std::string page = fmt::format("sust {}: {}\n\n{}\n{}{}", verb.path, verb.summary,
                                   usage_of(verb), options_of(verb), always());
    if (!verb.examples.empty()) {
        page += "\nexamples:\n";
        for (const auto& example : verb.examples) {
            page += fmt::format("  {}\n", example);
        }
    }
    return page;
}

const Verb* find(std::string_view path) {
    for (const auto& verb : verbs()) {
        if (verb.path == path) {
            return &verb;
        }
    }
    return nullptr;
}

std::string verbs_under(std::string_view noun) {
    std::string text;
    for (const auto& verb : verbs()) {
        const bool under = noun.empty() || verb.path.starts_with(std::string(noun) + " ");
        if (under && verb.shown == Verb::Shown::yes) {
            text += explained(verb.path, verb.summary);
        }
    }
    return text;
}

}  // namespace

std::string shown(const Option& option) {
    return (option.brief.empty() ? "" : std::string(option.brief) + ", ") +
           std::string(option.name) + (option.value.empty() ? "" : " " + std::string(option.value));
}

std::string help_of(std::string_view path) {
    if (const auto* verb = find(path)) {
        return help_of_verb(*verb);
    }
    return fmt::format("{}{}\n{}{}{}", k_intro, k_usage, verbs_under(path), always(),
                       path.empty() ? k_first_steps : "");
}

std::string brief_help_of(std::string_view path) {
    if (const auto* verb = find(path)) {
        return usage_of(*verb) + options_of(*verb);
    }
    return std::string(k_usage) + verbs_under(path);
}

}  // namespace sust::cli
