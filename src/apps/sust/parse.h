#pragma once

// The command line against the table of verbs. The only file that knows CLI11 is parse.cpp.

#include <optional>
#include <string>
#include <vector>

#include "apps/sust/verb.h"

namespace sust::cli {

struct Global {
    core::Path root;
    std::vector<std::string> config;  // KEY=VALUE
    bool json = false;
    bool yes = false;
    bool quiet = false;
};

struct Parsed {
    const Verb* verb = nullptr;  // null: help or version was asked for and `text` is the answer
    Arguments arguments;
    Global global;
    std::string text;
};

// An unknown verb or option is invalid, with the nearest one.
Result<Parsed> parse_command_line(const std::vector<std::string>& words, std::string_view version);

// The help page of one verb, or of all of them ("").
std::string help_of(std::string_view path);

}  // namespace sust::cli
