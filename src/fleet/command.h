#pragma once

// One engine process as a command in an environment. Used for replicas and, by tune, for the
// private engine of an evaluation.

#include <string>
#include <vector>

#include "env/environment.h"
#include "fleet/engine.h"
#include "serve/fleet_map.h"

namespace sust::fleet {

// The socket's name in EngineInputs::socket_folder.
inline constexpr const char* k_engine_socket = "engine.sock";
// The folder as the engine sees it.
inline constexpr const char* k_socket_inside = "/sust/run";

struct EngineInputs {
    std::string alias;  // what the engine calls itself: `model` in its requests
    std::string base_name;
    Path base;  // the model file, on this machine
    struct Adapter {
        std::string name;
        Path file;
    };
    std::vector<Adapter> adapters;
    Path socket_folder;  // on this machine, 0700; seen by the engine as /sust/run
    int slots = 1;
    int context = 2048;  // tokens of one request
    int threads = 1;
};

struct EngineCommand {
    std::string environment;
    std::vector<env::Mount> mounts;
    std::vector<std::string> argv;           // inside the environment
    Path socket;                             // on this machine
    std::vector<serve::ServedModel> models;  // the base first, then the adapters in order
};

// invalid: a name or path that the engine's command line cannot carry (a ',' or ':' in a path is
// never one of ours, since files are mounted under names that we choose).
Result<EngineCommand> engine_command(const Engine& engine, const EngineInputs& inputs);

// `runner` are the words before the options: {"/usr/bin/sust", "run"} or, under --root,
// {"/usr/bin/sust", "run", "--root", DIR}.
std::vector<std::string> run_argv(const std::vector<std::string>& runner,
                                  const EngineCommand& command);

// The folder for a replica's socket: `wanted`, or a short one under /tmp/sust-UID when the
// socket's path there would be over 100 bytes. Not created here.
Result<Path> socket_folder(const Path& wanted, uid_t uid);

}  // namespace sust::fleet
