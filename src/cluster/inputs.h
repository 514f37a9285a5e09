#pragma once

// The inputs and outputs of a job on the node: what the wrapper makes of them before the command
// starts, and what tells the command where they are (docs/protocol/job.md).

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/process.h"

namespace sust::cluster {

// The folder of a job's directory that has a folder for each input.
inline constexpr const char* k_inputs = "inputs";

// invalid: it has a part '.' or '..', ends in '/', is too long or no text.
core::Result<void> check_plain_path(const core::Path& path);
// As JobSpec has them. invalid: a name that is none, a path that is no plain one.
core::Result<void> check_places(const std::map<std::string, core::Path>& inputs,
                                const std::vector<core::Path>& outputs);
// "SUST_INPUT_BASE_MODEL" of "base-model".
std::string input_variable(std::string_view name);

// Whether the directories of other jobs are seen: a pod sees its own only, and a link of another
// job that runs leads nowhere there.
enum class OtherJobs { seen, unseen };

// On the node, before the command starts: links the inputs of relative places into the working
// directory and makes the folders of outputs. Twice is fine. conflict: something else is there.
core::Result<void> place_inputs(const std::map<std::string, core::Path>& inputs,
                                const std::vector<core::Path>& outputs,
                                const core::Path& job_directory, const core::Path& workdir,
                                OtherJobs others);
// Afterwards: takes away the links of the job whose directory has this name, wherever it was seen.
void remove_links(const std::map<std::string, core::Path>& inputs, const core::Path& job_directory,
                  const core::Path& workdir);
// What tells the command where each is.
void tell_inputs(core::Environment& environment, const std::map<std::string, core::Path>& inputs,
                 const core::Path& job_directory);

}  // namespace sust::cluster
