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

// What the tasks of a launcher left as words about the end. True: none of them ran, and that is
// all.
bool add_words_of_tasks(const AttemptFiles& files, ExitWord& word);

}  // namespace sust::cluster
