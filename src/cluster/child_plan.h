#pragma once

// What the wrapper starts: the job's command with its launcher, environment and place. Streams and
// limits are the wrapper's to add.

#include <string>
#include <vector>

#include "cluster/gated_child.h"
#include "cluster/words.h"
#include "cluster/wrapper.h"

namespace sust::cluster {

// `node` is this one's name, `gpus` the indices of those that are the job's.
Result<ChildPlan> plan_command(const JobWord& job, const WrapperOptions& options,
                               const AttemptFiles& files, const std::string& node,
                               const std::vector<int>& gpus);

}  // namespace sust::cluster
