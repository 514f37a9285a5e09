#include <iostream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/complete.h"
#include "apps/sust/manual.h"
#include "apps/sust/print.h"
#include "core/text.h"

namespace sust::cli {
namespace {

// Each script hands the words so far to `sust internal-complete` and offers the lines it prints.
// A word that ends in '=' goes on; names of files get a slash or are quoted as the shell does it.
constexpr std::string_view k_bash = R"(_sust() {
    local IFS=$'\n'
    COMPREPLY=($(sust internal-complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    if [[ ${COMPREPLY[0]} == __files__ ]]; then
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
    elif [[ ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _sust sust
)";
constexpr std::string_view k_zsh = R"(#compdef sust
_sust() {
    local -a offered
    offered=("${(@f)$(sust internal-complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ ${offered[1]} == __files__ ]]; then
        _files
    elif [[ ${offered[1]} == *= ]]; then
        compadd -S '' -- $offered
    else
        compadd -- $offered
    fi
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

constexpr std::pair<std::string_view, std::string_view> k_scripts[] = {
    {"bash", k_bash}, {"zsh", k_zsh}, {"fish", k_fish}};

Result<int> completion(Context& context, const Arguments& arguments) {
    const auto& shell = arguments.one("SHELL");
    for (const auto& [name, script] : k_scripts) {
        if (name == shell) {
            print_done(context, {{"shell", name}, {"text", script}}, core::trim(script));
            return 0;
        }
    }
    return core::fail(Fault::invalid,
                      fmt::format("no completion for '{}'", core::printable(shell, 40)),
                      {.hint = "bash, zsh or fish"});
}

Result<int> manual(Context& context, const Arguments&) {
    const auto page = manual_page(context.version);
    print_done(context, {{"text", page}}, core::trim(page));
    return 0;
}

Result<int> complete(Context& context, const Arguments& arguments) {
    auto words = arguments.all("WORDS");
    if (words.empty()) {
        words.emplace_back();
    }
    for (const auto& word : offers(context, words)) {
        std::cout << word << '\n';
    }
    return 0;
}

}  // namespace

std::vector<Verb> completion_verbs() {
    return {{.path = "completion",
             .summary = "a completion script for bash, zsh or fish",
             .positionals = {{"SHELL", "bash, zsh or fish", Count::one, Completes::shells}},
             .examples = {"sust completion bash > /etc/bash_completion.d/sust",
                          "sust completion fish | source"},
             .run = completion},
            {.path = "manual",
             .summary = "the manual page (troff) of every command",
             .examples = {"sust manual > sust.1; man ./sust.1"},
             .run = manual},
            {.path = "internal-complete",
             .summary = "what could come next, for completion scripts",
             .positionals = {{"WORDS", "the words so far", Count::rest}},
             .run = complete,
             .shown = Verb::Shown::no}};
}

}  // namespace sust::cli
