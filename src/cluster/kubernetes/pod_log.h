#pragma once

// What a pod has printed, kept in a file of this machine, because it is gone with the pod.

#include "cluster/kubernetes/client.h"
#include "core/log.h"

namespace sust::cluster::kubernetes {

// Appends what the log at `path` has beyond what `file` holds; of the file at most `max_bytes` are
// kept, cut in front as a hole. A pod that has printed nothing yet, or is gone, adds nothing.
// On the thread of the client; others may read the file meanwhile.
Result<void> bring_log(Client& client, const std::string& path, const Path& file,
                       std::uint64_t max_bytes, const core::Log& log);

// Of a log that is `text` now, and of which `kept` bytes are there that end with `tail`: where the
// rest begins. A log that was rotated does not begin where it did.
std::size_t where_it_goes_on(std::string_view text, std::uint64_t kept, std::string_view tail);

}  // namespace sust::cluster::kubernetes
