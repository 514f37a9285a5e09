#pragma once

// What a job reads from the store and leaves for it, as job.toml says it (docs/formats/job.md):
// [[input]] and [[output]]. How bytes come to the job and from it is the business of those above
// the back ends; what the wrapper does on the node is in inputs.h.

#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/toml.h"

namespace sust::cluster {

struct Input {
    std::string artifact;  // a name or a digest
    std::string name;      // of its folder, and of SUST_INPUT_NAME
    core::Path path;       // where the command sees it; relative: to its working directory
    std::string where;     // in job.toml, for what is found wrong later
};

struct Output {
    std::string name;  // what it is called in the store
    std::string kind;  // model, adapter or dataset
    core::Path path;   // relative to the working directory
    std::string base;  // of an adapter: the model's name or digest
    bool replace = false;
    std::string where;
};

// In the order of the file. invalid or too_large with its place: a path that leaves the working
// directory, is there twice or within another, a name that is none. An absolute input needs an
// environment (`image`), because nothing else can put it there.
struct Carried {
    std::vector<Input> inputs;
    std::vector<Output> outputs;
};
core::Result<Carried> read_carried(const core::TomlTable& table, const core::Path& workdir,
                                   std::string_view image);

}  // namespace sust::cluster
