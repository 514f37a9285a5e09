#include "apps/sust/parse.h"

#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "core/text.h"

namespace sust::cli {
namespace {

constexpr std::string_view k_intro =
    "sust: the life of a foundation model on one machine or a supercomputer\n\n"
    "usage: sust [--root DIR] [--json] NOUN VERB [NAME] [OPTIONS]\n";

constexpr std::string_view k_globals =
    "  --root DIR          put everything under one directory (tests, demos)\n"
    "  --json              print one JSON object or array\n"
    "  --config KEY=VALUE  override a setting (sust config show)\n"
    "  --yes               do not ask before something is destroyed\n"
    "  --quiet             no progress on standard error\n"
    "  -h, --help          this page, or that of a verb\n"
    "  --version           the version\n";

std::string usage_of(const Verb& verb) {
    std::string line = "usage: sust " + std::string(verb.path);
    for (const auto& option : verb.options) {
        const std::string shown = option.value.empty()
                                      ? std::string(option.name)
                                      : fmt::format("{} {}", option.name, option.value);
        line += option.count == Count::one ? " " + shown : fmt::format(" [{}]", shown);
        line += option.count == Count::any ? "..." : "";
    }
    for (const auto& positional : verb.positionals) {
        const bool rest = positional.count == Count::rest;
        const bool needed = positional.count == Count::one || rest;
        line += rest ? " -- " : " ";
        line += needed ? std::string(positional.name) : fmt::format("[{}]", positional.name);
        line += rest || positional.count == Count::any ? "..." : "";
    }
    return line + "\n";
}

std::string help_of_verb(const Verb& verb) {
    std::string page = fmt::format("sust {}: {}\n\n{}", verb.path, verb.summary, usage_of(verb));
    for (const auto& positional : verb.positionals) {
        page += fmt::format("\n  {:<20} {}", positional.name, positional.help);
    }
    for (const auto& option : verb.options) {
        const std::string left = option.value.empty()
                                     ? std::string(option.name)
                                     : fmt::format("{} {}", option.name, option.value);
        page += fmt::format("\n  {:<20} {}{}", left, option.help,
                            option.count == Count::any ? " (repeatable)" : "");
    }
    page += fmt::format("\n\nalways:\n{}", k_globals);
    if (!verb.examples.empty()) {
        page += "\nexamples:\n";
        for (const auto& example : verb.examples) {
            page += fmt::format("  {}\n", example);
        }
    }
    return page;
}

// Hands one value list to CLI11 and remembers under which name it is to be kept.
struct Bound {
    std::string name;
    std::unique_ptr<std::vector<std::string>> values = std::make_unique<std::vector<std::string>>();
    CLI::Option* option = nullptr;
};

void bind_verb(CLI::App& app, const Verb& verb, std::vector<Bound>& bound) {
    for (const auto& option : verb.options) {
        auto& b = bound.emplace_back(Bound{.name = std::string(option.name)});
        if (option.value.empty()) {
            b.option = app.add_flag(
                option.brief.empty() ? b.name : fmt::format("{},{}", option.brief, b.name));
        } else {
            b.option = app.add_option(b.name, *b.values)->allow_extra_args(false);
        }
        b.option->required(option.count == Count::one);
    }
    for (const auto& positional : verb.positionals) {
        if (positional.count == Count::rest) {
            continue;  // taken as it is, by take_rest
        }
        auto& b = bound.emplace_back(Bound{.name = std::string(positional.name)});
        b.option = app.add_option(b.name, *b.values);
        b.option->expected(positional.count == Count::any ? -1 : 1);
        // Or the first of two would take both.
        b.option->allow_extra_args(positional.count == Count::any);
        b.option->required(positional.count == Count::one);
    }
}

// The words behind "--" are someone else's command line: not one of them is ours to interpret.
Result<void> take_rest(const Verb& verb, std::vector<std::string>& words, Arguments& arguments) {
    const auto rest = std::find_if(verb.positionals.begin(), verb.positionals.end(),
                                   [](const auto& p) { return p.count == Count::rest; });
    if (rest == verb.positionals.end()) {
        return {};
    }
    const auto mark = std::find(words.begin(), words.end(), "--");
    if (mark == words.end() || mark + 1 == words.end()) {
        return core::fail(Fault::invalid, fmt::format("{} is missing", rest->name),
                          {.hint = fmt::format("write it behind two dashes: sust {} ... -- {}",
                                               verb.path, rest->name)});
    }
    arguments.values[std::string(rest->name)] = {mark + 1, words.end()};
    words.erase(mark, words.end());
    return {};
}

void bind_global(CLI::App& app, Global& global, std::string& root) {
    app.add_option("--root", root);
    app.add_option("--config", global.config)->allow_extra_args(false);
    app.add_flag("--json", global.json);
    app.add_flag("--yes", global.yes);
    app.add_flag("--quiet", global.quiet);
}

bool is_global_with_value(std::string_view word) {
    return word == "--root" || word == "--config";
}

// The words of a verb's path and where they stand; global options may come before them.
struct Found {
    const Verb* verb = nullptr;
    std::string noun;
    std::vector<std::string> rest;  // the words without the path
};

Found find_verb(const std::vector<std::string>& words) {
    std::vector<std::size_t> names;
    for (std::size_t i = 0; i < words.size() && names.size() < 2 && words[i] != "--"; ++i) {
        if (is_global_with_value(words[i])) {
            ++i;
        } else if (!words[i].starts_with("-")) {
            names.push_back(i);
        }
    }
    Found found;
    found.noun = names.empty() ? "" : words[names[0]];
    for (const std::size_t length : {std::size_t{2}, std::size_t{1}}) {
        if (names.size() < length || found.verb != nullptr) {
            continue;
        }
        const std::string path = length == 2 ? words[names[0]] + " " + words[names[1]] : found.noun;
        for (const auto& verb : verbs()) {
            if (verb.path == path) {
                found.verb = &verb;
                for (std::size_t i = 0; i < words.size(); ++i) {
                    if (i != names[0] && (length == 1 || i != names[1])) {
                        found.rest.push_back(words[i]);
                    }
                }
            }
        }
    }
    return found;
}

bool asks_for_help(const std::vector<std::string>& words) {
    for (const auto& word : words) {
        if (word == "--") {
            return false;
        }
        if (word == "-h" || word == "--help") {
            return true;
        }
    }
    return false;
}

tl::unexpected<core::Error> no_such_verb(const std::vector<std::string>& words,
                                         const std::string& noun) {
    std::vector<std::string> known;
    std::string said = noun;
    const bool noun_known = std::any_of(verbs().begin(), verbs().end(), [&](const Verb& verb) {
        return core::split(verb.path, ' ').front() == noun;
    });
    for (const auto& verb : verbs()) {
        const auto parts = core::split(verb.path, ' ');
        if (!noun_known) {
            known.push_back(parts.front());
        } else if (parts.front() == noun && parts.size() > 1) {
            known.push_back(parts[1]);
        }
    }
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    if (noun_known) {
        const auto at = std::find(words.begin(), words.end(), noun);
        const auto next =
            std::find_if(at + 1, words.end(), [](const auto& w) { return !w.starts_with("-"); });
        said = next == words.end() ? "" : *next;
    }
    const auto near = core::nearest(said, known);
    const std::string what =
        noun_known ? fmt::format("sust {} has no verb '{}'", noun, core::printable(said, 40))
                   : fmt::format("no command '{}'", core::printable(said, 40));
    return core::fail(Fault::invalid,
                      said.empty() ? fmt::format("sust {} needs a verb", noun) : what,
                      {.hint = near ? fmt::format("did you mean '{}'?", *near)
                                    : "one of: " + core::join(known, ", ")});
}

Result<Parsed> parse_verb(const Verb& verb, std::vector<std::string> rest) {
    Parsed parsed{.verb = &verb};
    TRY(take_rest(verb, rest, parsed.arguments));
    CLI::App app;
    app.set_help_flag();
    std::string root;
    std::vector<Bound> bound;
    bind_global(app, parsed.global, root);
    bind_verb(app, verb, bound);
    try {
        std::reverse(rest.begin(), rest.end());  // CLI11 takes the words from the back
        app.parse(rest);
    } catch (const CLI::ParseError& error) {
        return core::fail(Fault::invalid, error.what(),
                          {.hint = fmt::format("sust {} --help", verb.path)});
    }
    for (const auto& b : bound) {
        if (b.option->count() > 0) {
            parsed.arguments.values[b.name] = *b.values;
        }
    }
    for (const auto& option : verb.options) {
        if (option.count == Count::optional && !option.value.empty() &&
            parsed.arguments.all(option.name).size() > 1) {
            return core::fail(Fault::invalid, fmt::format("{} was given twice", option.name));
        }
    }
    parsed.global.root = root;
    return parsed;
}

}  // namespace

std::string help_of(std::string_view path) {
    std::string page;
    for (const auto& verb : verbs()) {
        if (verb.path == path) {
            return help_of_verb(verb);
        }
        const bool under =
            path.empty() || std::string_view(verb.path).starts_with(std::string(path) + " ");
        if (under && verb.shown == Verb::Shown::yes) {
            page += fmt::format("  {:<20} {}\n", verb.path, verb.summary);
        }
    }
    return fmt::format("{}\n{}\nalways:\n{}", k_intro, page, k_globals);
}

Result<Parsed> parse_command_line(const std::vector<std::string>& words, std::string_view version) {
    const Found found = find_verb(words);
    if (asks_for_help(words) || (found.noun.empty() && words.empty())) {
        return Parsed{.text = help_of(found.verb != nullptr ? found.verb->path
                                                            : std::string_view(found.noun))};
    }
    if (found.verb == nullptr &&
        std::find(words.begin(), words.end(), "--version") != words.end()) {
        return Parsed{.text = fmt::format("sust {}\n", version)};
    }
    if (found.noun.empty()) {
        return core::fail(Fault::invalid, "no command was given", {.hint = "sust --help"});
    }
    if (found.verb == nullptr) {
        return no_such_verb(words, found.noun);
    }
    return parse_verb(*found.verb, found.rest);
}

}  // namespace sust::cli
