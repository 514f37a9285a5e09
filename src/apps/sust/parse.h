#pragma once

// The command line against the table of verbs. The only file that knows CLI11 is parse.cpp.

#include <string>
#include <vector>

#include "apps/sust/context.h"
#include "apps/sust/verb.h"

namespace sust::cli {

// The words of a call, sorted and not yet judged: completion sees unfinished ones.
struct Call {
    const Verb* verb = nullptr;      // null: the names are no verb
    std::vector<std::string> names;  // the words of a verb's path, as far as they are there
    std::vector<std::string> rest;   // everything but the path of the verb
    core::Path root;                 // --root
    bool json = false;
    bool version = false;
    enum class Help { none, brief, whole } help = Help::none;
};
Call take_apart(const std::vector<std::string>& words);

struct Parsed {
    const Verb* verb = nullptr;  // null: help or version was asked for and `text` is the answer
    Arguments arguments;
    Global global;
    std::string text;
};

// An unknown verb or option is invalid, with the nearest one.
Result<Parsed> parse_command_line(const std::vector<std::string>& words, std::string_view version);

}  // namespace sust::cli
