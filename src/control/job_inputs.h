#pragma once

// Brings the inputs of a job to where its back end's nodes see them.

#include <map>
#include <string>

#include "cluster/scheduler.h"
#include "store/store.h"

namespace sust::control {

// Writes `inputs/NAME/...` in the job's directory, as its owner, from the beginning: what an
// earlier call has left is replaced. Copies, because a job may write to what it owns and a blob
// never changes; where the file system can, a copy shares the blob's blocks. The files are
// read-only. Blocks: on the pool. exhausted: the disk is full.
core::Result<void> stage_inputs(const std::map<std::string, store::Digest>& inputs,
                                const cluster::JobPlace& place, const store::Store& store);
// Takes them away again; absent ones are fine. Blocks.
core::Result<void> unstage_inputs(const cluster::JobPlace& place);

}  // namespace sust::control
