#include <algorithm>
#include <iostream>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/api.h"
#include "apps/sust/manual.h"
#include "apps/sust/parse.h"
#include "apps/sust/print.h"
#include "core/text.h"
#include "env/environment.h"

namespace sust::cli {
namespace {

// Each script hands the words so far to `sust internal-complete` and offers the lines it prints.
constexpr std::string_view k_bash = R"(_sust() {
    local IFS=$'\n'
    COMPREPLY=($(sust internal-complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    [[ ${COMPREPLY[0]} == __files__ ]] && COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _sust sust
)";
constexpr std::string_view k_zsh = R"(#compdef sust
_sust() {
    local -a offered
    offered=("${(@f)$(sust internal-complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ ${offered[1]} == __files__ ]]; then _files; else compadd -- $offered; fi
}
compdef _sust sust
)";
constexpr std::string_view k_fish = R"(function __sust_complete
    set -l offered (sust internal-complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)
    if test "$offered[1]" = __files__
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $offered
    end
end
complete -c sust -f -a '(__sust_complete)'
)";

std::string_view collection_of(Completes completes) {
    switch (completes) {
        case Completes::datasets:
            return "/api/v1/datasets";
        case Completes::models:
            return "/api/v1/models";
        case Completes::recipes:
            return "/api/v1/recipes";
        case Completes::runs:
            return "/api/v1/runs";
        case Completes::services:
            return "/api/v1/services";
        case Completes::keys:
            return "/api/v1/keys";
        default:
            return {};
    }
}

std::vector<std::string> image_names(const Context& context) {
    std::vector<std::string> names;
    auto store = store::Store::open(context.places.store(), context.clock);
    const auto images =
        store ? store->list(store::Kind::image) : Result<std::vector<store::Named>>();
    for (const auto& image : images ? *images : std::vector<store::Named>()) {
        names.push_back(image.name);
    }
    return names;
}

std::vector<std::string> names_for(const Context& context, Completes completes) {
    if (completes == Completes::files) {
        return {"__files__"};
    }
    if (completes == Completes::programs) {
        return {"gateway", "sustd"};
    }
    if (completes == Completes::environments) {
        return env::environment_names(context.places);
    }
    if (completes == Completes::images) {
        return image_names(context);
    }
    const auto target = collection_of(completes);
    if (target.empty()) {
        return {};
    }
    std::vector<std::string> names;
    Api api(context);
    const auto answer = api.get(target);
    for (const auto& item :
         answer ? answer->value("items", nlohmann::json::array()) : nlohmann::json::array()) {
        names.push_back(item.contains("name") && completes != Completes::runs
                            ? item.value("name", "")
                            : item.value("id", ""));
    }
    return names;
}

const Verb* verb_of(const std::vector<std::string>& words) {
    for (const auto& verb : verbs()) {
        const auto parts = core::split(verb.path, ' ');
        if (parts.size() < words.size() && std::equal(parts.begin(), parts.end(), words.begin())) {
            return &verb;
        }
    }
    return nullptr;
}

// The next word of every verb whose path begins with what was said.
std::vector<std::string> verb_words(const std::vector<std::string>& words) {
    std::set<std::string> next;
    for (const auto& verb : verbs()) {
        const auto parts = core::split(verb.path, ' ');
        const std::size_t said = words.size() - 1;
        if (verb.shown == Verb::Shown::yes && parts.size() > said &&
            std::equal(words.begin(), words.end() - 1, parts.begin())) {
            next.insert(parts[said]);
        }
    }
    return {next.begin(), next.end()};
}

std::vector<std::string> words_of_verb(const Context& context, const Verb& verb,
                                       const std::vector<std::string>& words) {
    const std::string& last = words.back();
    const std::string& before = words[words.size() - 2];
    for (const auto& option : verb.options) {
        if (option.name == before && !option.value.empty()) {
            return names_for(context, option.completes);
        }
    }
    std::vector<std::string> offered;
    if (last.starts_with("-")) {
        for (const auto& option : verb.options) {
            offered.emplace_back(option.name);
        }
        offered.insert(offered.end(), {"--help", "--json"});
        return offered;
    }
    const std::size_t path = core::split(verb.path, ' ').size();
    std::size_t position = 0;
    for (std::size_t i = path; i + 1 < words.size(); ++i) {
        position += words[i].starts_with("-") ? 0 : 1;
    }
    if (verb.positionals.empty()) {
        return {};
    }
    const auto& positional = verb.positionals[std::min(position, verb.positionals.size() - 1)];
    return names_for(context, positional.completes);
}

Result<int> complete(Context& context, const Arguments& arguments) {
    auto words = arguments.all("WORDS");
    if (words.empty()) {
        words.emplace_back();
    }
    const auto* verb = verb_of(words);
    for (const auto& word :
         verb != nullptr ? words_of_verb(context, *verb, words) : verb_words(words)) {
        if (word == "__files__" || word.starts_with(words.back())) {
            std::cout << word << '\n';
        }
    }
    return 0;
}

Result<int> completion(Context&, const Arguments& arguments) {
    const auto& shell = arguments.one("SHELL");
    if (shell != "bash" && shell != "zsh" && shell != "fish") {
        return core::fail(Fault::invalid,
                          fmt::format("no completion for '{}'", core::printable(shell, 40)),
                          {.hint = "bash, zsh or fish"});
    }
    std::cout << (shell == "bash" ? k_bash : shell == "zsh" ? k_zsh : k_fish);
    return 0;
}

Result<int> manual(Context& context, const Arguments&) {
    std::cout << manual_page(context.version);
    return 0;
}

}  // namespace

std::vector<Verb> completion_verbs() {
    return {{.path = "completion",
             .summary = "a completion script for bash, zsh or fish",
             .positionals = {{"SHELL", "bash, zsh or fish"}},
             .examples = {"sust completion bash > /etc/bash_completion.d/sust",
                          "sust completion fish | source"},
             .run = completion},
            {.path = "manual",
             .summary = "the manual page (troff) of every command",
             .examples = {"sust manual > sust.1; man ./sust.1"},
             .run = manual},
            {.path = "internal-complete",
             .summary = "what could come next, for completion scripts",
             .positionals = {{"WORDS", "the words so far", Count::any}},
             .run = complete,
             .shown = Verb::Shown::no}};
}

}  // namespace sust::cli
