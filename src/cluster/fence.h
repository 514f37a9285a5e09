#pragma once

// The fence of a job: the epoch of the only attempt that may still commit anything. Two attempts
// can run at once (a lost node may come back), so a commit happens while the fence is held, and
// an older epoch is refused. fence.json is replaced by rename; fence.lock is what is locked.

#include "cluster/job.h"

namespace sust::cluster {

// not_found before the first submission.
Result<std::int64_t> read_fence(const Path& job_directory);

// That of a job which is not there yet, at epoch 1; the caller syncs it before there is a job.
// conflict: it is beyond that.
Result<void> draft_fence(const Path& job_directory);

// The epoch only grows: the same one is fine, a lower one is a conflict.
Result<void> raise_fence(const Path& job_directory, std::int64_t epoch,
                         const core::Deadline& deadline);

// Nobody raises the fence while the result lives. conflict: `epoch` is not the newest any more.
Result<core::FileLock> hold_fence(const Path& job_directory, std::int64_t epoch,
                                  const core::Deadline& deadline);

}  // namespace sust::cluster
