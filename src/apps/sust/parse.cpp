#include "apps/sust/parse.h"

#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "apps/sust/help.h"
#include "core/text.h"

namespace sust::cli {
namespace {

// Hands one value list to CLI11 and remembers under which name it is to be kept.
struct Bound {
    std::string name;
    std::unique_ptr<std::vector<std::string>> values = std::make_unique<std::vector<std::string>>();
    CLI::Option* option = nullptr;
};

void bind_option(CLI::App& app, const Option& option, std::vector<Bound>& bound) {
    auto& b = bound.emplace_back(Bound{.name = std::string(option.name)});
    if (option.value.empty()) {
        b.option = app.add_flag(option.brief.empty() ? b.name
                                                     : fmt::format("{},{}", option.brief, b.name));
    } else {
        b.option = app.add_option(b.name, *b.values)->allow_extra_args(false);
    }
    b.option->required(option.count == Count::one);
}

void bind_verb(CLI::App& app, const Verb& verb, std::vector<Bound>& bound) {
    for (const auto& option : verb.options) {
        bind_option(app, option, bound);
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

const Option* global_named(std::string_view word) {
    for (const auto& option : global_options()) {
        if (word == option.name || (!option.brief.empty() && word == option.brief)) {
            return &option;
        }
    }
    return nullptr;
}

const Verb* verb_named(std::string_view path) {
    const auto found = std::find_if(verbs().begin(), verbs().end(),
                                    [&](const Verb& verb) { return verb.path == path; });
    return found == verbs().end() ? nullptr : &*found;
}

// What follows `noun` in the table; for "" the nouns themselves. In its order, without the hidden.
std::vector<std::string> known_after(const std::string& noun) {
    std::vector<std::string> known;
    for (const auto& verb : verbs()) {
        const auto parts = core::split(verb.path, ' ');
        const std::string word = noun.empty()                           ? parts[0]
                                 : parts[0] == noun && parts.size() > 1 ? parts[1]
                                                                        : "";
        if (verb.shown == Verb::Shown::yes && !word.empty() &&
            std::find(known.begin(), known.end(), word) == known.end()) {
            known.push_back(word);
        }
    }
    return known;
}

tl::unexpected<core::Error> no_such_verb(const Call& call) {
    const auto& noun = call.names.front();
    const auto below = known_after(noun);
    if (!below.empty() && call.names.size() == 1) {
        return core::fail(Fault::invalid, fmt::format("sust {} needs a verb", noun),
                          {.hint = "one of: " + core::join(below, ", ")});
    }
    const auto known = below.empty() ? known_after("") : below;
    const auto& said = below.empty() ? noun : call.names.back();
    const auto near = core::nearest(said, known);
    return core::fail(
        Fault::invalid,
        below.empty() ? fmt::format("no command '{}'", core::printable(said, 40))
                      : fmt::format("sust {} has no verb '{}'", noun, core::printable(said, 40)),
        {.hint = near ? fmt::format("did you mean '{}'?", *near)
                      : "one of: " + core::join(known, ", ")});
}

// What is wrong with a value of the table that is to be a file or a folder of this machine.
Result<void> check_place(Completes completes, const std::string& value) {
    const bool folder = completes == Completes::folders;
    if (!folder && completes != Completes::files) {
        return {};
    }
    std::error_code error;
    const auto kind = std::filesystem::status(value, error).type();
    if (kind == std::filesystem::file_type::not_found) {
        return core::fail(
            Fault::not_found, folder ? "there is no such directory" : "there is no such file",
            {.where = value,
             .hint = "a relative path starts at " + std::filesystem::current_path(error).string()});
    }
    if (!error && (kind == std::filesystem::file_type::directory) != folder) {
        return core::fail(
            Fault::invalid, folder ? "this is not a directory" : "this is a directory, not a file",
            {.where = value, .hint = folder ? "name the directory" : "name a file in it"});
    }
    if (error || ::access(value.c_str(), R_OK) != 0) {
        return core::fail(Fault::denied, "this may not be read by who asks",
                          {.where = value, .hint = "ls -ld " + value + " shows who may"});
    }
    return {};
}

Result<void> check_places(const Verb& verb, const Arguments& arguments) {
    for (const auto& option : verb.options) {
        for (const auto& value : arguments.all(option.name)) {
            TRY(check_place(option.completes, value));
        }
    }
    for (const auto& positional : verb.positionals) {
        for (const auto& value : arguments.all(positional.name)) {
            TRY(check_place(positional.completes, value));
        }
    }
    return {};
}

Result<void> check_counts(std::span<const Option> options, const Arguments& arguments) {
    for (const auto& option : options) {
        const auto& said = arguments.all(option.name);
        if (option.count != Count::any && !option.value.empty() && said.size() > 1) {
            return core::fail(Fault::invalid, fmt::format("{} was given twice: {} and {}",
                                                          option.name, said[0], said[1]));
        }
    }
    return {};
}

Global global_of(const Arguments& said) {
    return {.root = said.get("--root").value_or(""),
            .config = said.all("--config"),
            .json = said.has("--json"),
            .yes = said.has("--yes"),
            .quiet = said.has("--quiet")};
}

Arguments values_of(const std::vector<Bound>& bound) {
    Arguments said;
    for (const auto& b : bound) {
        if (b.option->count() > 0) {
            said.values[b.name] = *b.values;
        }
    }
    return said;
}

Result<Parsed> parse_verb(const Verb& verb, std::vector<std::string> rest) {
    Parsed parsed{.verb = &verb};
    TRY(take_rest(verb, rest, parsed.arguments));
    CLI::App app;
    app.set_help_flag();
    std::vector<Bound> globals;
    std::vector<Bound> bound;
    for (const auto& option : global_options()) {
        bind_option(app, option, globals);
    }
    bind_verb(app, verb, bound);
    try {
        std::reverse(rest.begin(), rest.end());  // CLI11 takes the words from the back
        app.parse(rest);
    } catch (const CLI::ParseError& error) {
        return core::fail(Fault::invalid, error.what(),
                          {.hint = fmt::format("sust {} --help", verb.path)});
    }
    const auto said = values_of(globals);
    TRY(check_counts(global_options(), said));
    parsed.global = global_of(said);
    parsed.arguments.values.merge(values_of(bound).values);
    TRY(check_counts(verb.options, parsed.arguments));
    TRY(check_places(verb, parsed.arguments));
    return parsed;
}

}  // namespace

Call take_apart(const std::vector<std::string>& words) {
    Call call;
    std::vector<std::size_t> names;
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        const auto& word = words[i];
        const auto* global = global_named(word);
        call.json = call.json || word == "--json";
        call.version = call.version || word == "--version";
        if (global != nullptr && global->name == "--help" && call.help == Call::Help::none) {
            call.help = word == global->name ? Call::Help::whole : Call::Help::brief;
        } else if (global != nullptr && !global->value.empty() && i + 1 < words.size()) {
            ++i;
            call.root = global->name == "--root" ? core::Path(words[i]) : call.root;
        } else if (word.starts_with("--root=")) {
            call.root = word.substr(word.find('=') + 1);
        } else if (!word.starts_with("-") && names.size() < 2) {
            names.push_back(i);
            call.names.push_back(word);
        }
    }
    call.rest = words;
    for (std::size_t length = names.size(); length > 0 && call.verb == nullptr; --length) {
        call.verb = verb_named(core::join(std::span(call.names).first(length), " "));
        if (call.verb != nullptr) {
            call.names.resize(length);
        }
    }
    for (std::size_t i = call.verb == nullptr ? 0 : call.names.size(); i > 0; --i) {
        call.rest.erase(call.rest.begin() + static_cast<std::ptrdiff_t>(names[i - 1]));
    }
    return call;
}

Result<Parsed> parse_command_line(const std::vector<std::string>& words, std::string_view version) {
    const Call call = take_apart(words);
    if (call.version && call.help == Call::Help::none) {
        return Parsed{.text = fmt::format("sust {}\n", version)};
    }
    const bool help = call.help != Call::Help::none || words.empty();
    const bool page_of_noun = call.names.size() == 1 && !known_after(call.names[0]).empty();
    if (help && (call.verb != nullptr || call.names.empty() || page_of_noun)) {
        const std::string path =
            call.verb != nullptr ? std::string(call.verb->path) : core::join(call.names, " ");
        return Parsed{.text = call.help == Call::Help::brief ? brief_help_of(path) : help_of(path)};
    }
    if (call.verb != nullptr) {
        return parse_verb(*call.verb, call.rest);
    }
    if (!call.names.empty()) {
        return no_such_verb(call);
    }
    return core::fail(Fault::invalid, "no command was given", {.hint = "sust --help"});
}

}  // namespace sust::cli
