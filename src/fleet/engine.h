#pragma once

// How an inference engine is started, probed, chosen from and drained: data, not code.
// A file of engines/, read and checked whole before any use. docs/formats/engine.md.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/result.h"
#include "serve/fleet_map.h"

namespace sust::fleet {

using core::Duration;
using core::Path;
using core::Result;

struct Engine {
    std::string name;
    std::string summary;
    std::string environment;   // the environment that holds the program
    std::string model_format;  // "gguf"

    // Words with placeholders: {socket} {base} {alias} {context} {context_total} {slots} {threads}.
    struct Command {
        std::vector<std::string> argv;
        std::vector<std::string> adapters_argv;  // appended if there are adapters; {adapters}
        std::string adapter;                     // one of them: {path} {index} {name}
        std::string adapter_separator;
    } command;

    // JSON objects merged into a request to choose a model; {index} and {name} of the adapter.
    struct Select {
        std::string base;
        std::string adapter;
    } select;

    struct Probe {
        std::string health;      // path; 200 is healthy
        std::string slots;       // path of an array of objects
        std::string busy_field;  // idle: true in none of them
        std::string metrics;
        std::string warm_path;  // asked once before a replica is called ready
        std::string warm_body;
        Duration every{};
        Duration timeout{};
        int failures = 0;  // in a row, until a ready replica is unhealthy
        Duration ready_within{};
        Duration sick_for{};
    } probe;

    Duration stop_grace{};  // between SIGTERM and SIGKILL
    std::vector<std::string> private_fields;
    std::vector<std::string> unsupported;  // paths
    serve::PromptCounter prompt_counter = serve::PromptCounter::none;
};

using Engines = std::map<std::string, Engine>;

// Names every fault by file, line and column; nothing of a faulty file is used.
Result<Engine> parse_engine(std::string_view text, const std::string& origin);
// Every *.toml of the folder; the file's name is the engine's.
Result<Engines> load_engines(const Path& folder);
// not_found names the nearest engine and all of them.
Result<const Engine*> find_engine(const Engines& engines, std::string_view name);

}  // namespace sust::fleet
