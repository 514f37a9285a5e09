#pragma once

// A command as data: parsing, help, completion and man pages are made from the same table.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/result.h"

namespace sust::cli {

using core::Fault;
using core::Path;
using core::Result;

struct Context;

// What a value is: completion offers such, and files and folders are looked at before the verb is
// run.
enum class Completes {
    nothing,
    files,
    folders,
    mounts,
    environments,
    images,
    datasets,
    models,
    recipes,
    parameters,  // of the recipe that is named
    runs,
    services,
    keys,
    jobs,
    nodes,
    backends,
    programs,
    settings,
    shells
};

enum class Count { optional, one, any, rest };  // rest: everything after "--"

struct Positional {
    std::string_view name;  // "FILE"
    std::string_view help;
    Count count = Count::one;
    Completes completes = Completes::nothing;
};

struct Option {
    std::string_view name;   // "--base"
    std::string_view value;  // "MODEL"; empty: a flag
    std::string_view help;
    Count count = Count::optional;
    Completes completes = Completes::nothing;
    std::string_view brief{};  // "-f"
};

// What the user said, by the names of the table.
class Arguments {
  public:
    std::map<std::string, std::vector<std::string>, std::less<>> values;

    bool has(std::string_view name) const { return values.find(name) != values.end(); }
    const std::vector<std::string>& all(std::string_view name) const;
    std::optional<std::string> get(std::string_view name) const;
    // For what the table requires; the parser has made sure that it is there.
    const std::string& one(std::string_view name) const { return all(name).front(); }
    Result<std::optional<std::int64_t>> integer(std::string_view name) const;
    // Of "--set KEY=VALUE --set ...": a key that comes twice is refused.
    Result<std::map<std::string, std::string>> pairs(std::string_view name) const;
};

struct Verb {
    std::string_view path;  // "tune start"
    std::string_view summary;
    std::vector<Positional> positionals;
    std::vector<Option> options;
    std::vector<std::string_view> examples;
    Result<int> (*run)(Context&, const Arguments&);  // the exit status
    enum class Shown { yes, no } shown = Shown::yes;
    // Of one that becomes a program every status is the program's; its own failure is 125.
    enum class Status { of_fault, of_program } status = Status::of_fault;
};

// What every verb takes, before or behind its name.
std::span<const Option> global_options();
// Every verb, in the order of the help page.
const std::vector<Verb>& verbs();
// Of a command that failed; `verb` is null when the words name none.
int exit_status(const Verb* verb, const core::Error& error);

// "--set", {"rank=8", "epochs=1"}
Result<std::map<std::string, std::string>> parse_pairs(std::string_view option,
                                                       const std::vector<std::string>& said);

std::vector<Verb> up_verbs();
std::vector<Verb> config_verbs();
std::vector<Verb> image_verbs();
std::vector<Verb> data_verbs();
std::vector<Verb> model_verbs();
std::vector<Verb> tune_verbs();
std::vector<Verb> node_verbs();
std::vector<Verb> serve_verbs();
std::vector<Verb> job_verbs();
std::vector<Verb> key_verbs();
std::vector<Verb> chat_verbs();
std::vector<Verb> gc_verbs();
std::vector<Verb> simulate_verbs();
std::vector<Verb> completion_verbs();

}  // namespace sust::cli
