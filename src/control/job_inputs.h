#pragma once

// Brings the inputs of a job to where its back end's nodes see them.

#include <map>
#include <stop_token>
#include <string>

#include "cluster/scheduler.h"
#include "store/store.h"

namespace sust::control {

// Writes `inputs/NAME/...` in the job's directory, as its owner, from the beginning: what an
// earlier call has left is replaced. Copies, because a job may write to what it owns and a blob
// never changes; where the file system can, a copy shares the blob's blocks. The files are
// read-only. Blocks: on the pool. exhausted: the disk is full; unavailable: `stop` was asked for
// meanwhile.
core::Result<void> stage_inputs(const std::map<std::string, store::Digest>& inputs,
                                const cluster::JobPlace& place, const store::Store& store,
                                const std::stop_token& stop);
// Takes them away again, and the links to them that wrappers left in the working directory: those
// that were killed, and pods, which cannot tell whether others still need them. Absent ones are
// fine. Blocks.
core::Result<void> unstage_inputs(const cluster::JobPlace& place,
                                  const std::map<std::string, core::Path>& paths,
                                  const core::Path& workdir);

}  // namespace sust::control
