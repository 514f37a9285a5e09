#pragma once

// What a process sees: an EDF (environment definition file) resolved to a plan, and the step into
// it. Said (Edf, optional fields) and meant (Plan, concrete) are two types. docs/formats/edf.md.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/places.h"
#include "core/process.h"
#include "core/result.h"
#include "store/store.h"

namespace sust::env {

using core::Path;
using core::Result;

struct Mount {
    Path source;  // a relative one is relative to the caller's working directory
    Path target;  // absolute, inside
    bool read_only = false;
    bool operator==(const Mount&) const = default;
};
// "SOURCE:TARGET[:ro|:rw]", or "/PATH" for the same place inside.
Result<Mount> parse_mount(std::string_view text);

struct Edf {
    Path file;
    std::vector<std::string> base_environment;
    std::optional<std::string> image;  // name or digest of an image artifact, or a path to a file
    std::optional<std::string> workdir;
    std::optional<bool> entrypoint;
    std::optional<bool> writable;
    std::vector<std::string> mounts;                 // as written; variables are not yet replaced
    core::Environment env;                           // an empty value takes the variable away
    std::map<std::string, std::string> annotations;  // nested tables flattened with '.'
};

// Reads one file; nothing outside it is looked at. Unknown keys are named with their place.
Result<Edf> parse_edf(std::string_view text, const Path& file);
// "${NAME}" and "${NAME:-default}" from `caller`, "$$" is '$'; an unset name is an error.
Result<std::string> expand(std::string_view text, const core::Environment& caller);

struct Plan {
    std::string name;
    Path image_file;                     // the squashfs
    std::optional<store::Digest> image;  // manifest digest, absent for a plain file
    std::string image_name;              // as the file says it, for messages
    Path workdir;                        // empty: the caller's, where it exists inside
    bool writable = true;
    std::vector<Mount> mounts;  // parents' first; of two at one target the last one counts
    core::Environment env;
    std::map<std::string, std::string> annotations;
};

// `name` is a name looked for in the search path (config/environments, share/environments), or a
// path to an EDF (it has a '/'). not_found names every place looked at and the nearest name.
// `caller` is the environment that ${VAR} in values refers to.
Result<Plan> resolve(std::string_view name, const core::Places& places, const store::Store& store,
                     const core::Environment& caller = {});
// The names of all environments in the search path, sorted.
std::vector<std::string> environment_names(const core::Places& places);

struct RunOptions {
    core::Environment inherited;    // the caller's whole environment, on which the plan's is laid
    std::vector<Mount> mounts;      // in addition to the plan's; wins at the same target
    core::Environment environment;  // in addition to the plan's; wins
    std::optional<Path> workdir;
};

// Becomes the command: mount namespace (and user namespace where not root), the image as root,
// mounts, then exec; the process keeps its identity, parent, streams, limits and death signal.
// Needs a process with one thread. Returns only on failure, with the exit status of conventions.md
// (125 before the command, 126 cannot execute, 127 not found) already chosen in `status`.
struct ExecFailure {
    int status = 125;
    core::Error error;
};
ExecFailure become(const Plan& plan, const RunOptions& options,
                   const std::vector<std::string>& argv, const core::Places& places,
                   const core::Clock& clock);

}  // namespace sust::env
